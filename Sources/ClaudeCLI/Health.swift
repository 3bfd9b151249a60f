// SPDX-License-Identifier: MIT
import Jansson
import Records

extension Installation {
  /// What every request would be answered with now; nil where the CLI can be asked.
  var failure: APIError? {
    switch state {
    case .probing: nil
    case .unusable(let error, _): error
    case .ready(let cli): cli.isAuthenticated ? startFailure.map { CLIError.endsAtStart($0) } : CLIError.notLoggedIn
    }
  }

  /// What a `health` request is told. Only what is said of the CLI itself names paths.
  ///
  /// - Parameter now: seconds since the epoch; nil leaves times out.
  func health(at now: Int?) -> HealthReport {
    var report = HealthReport(backend: "claude-exec")
    switch state {
    case .probing:
      report.isCLIAvailable = false
      report.error = "the Claude CLI is being probed"
    case .unusable(let error, let version):
      report.isCLIAvailable = false
      report.error = version == nil ? "Claude CLI not found in PATH" : error.message
      report.cliStatus = version == nil ? "not_found" : "too_old"
      report.details = version.map { JSON(object: ["version": JSON($0.description)]) }
    case .ready(let cli):
      report.isCLIAvailable = true
      if !cli.isAuthenticated {
        report.error = "Claude CLI is not logged in, and there is no API key"
        report.cliStatus = "not_authenticated"
      } else if let end = startFailure {
        report.error = CLIError.endsAtStart(end).message
        report.cliStatus = "not_starting"
      }
      report.details = JSON(object: [
        "version": JSON(cli.version.description), "authenticated": JSON(cli.isAuthenticated),
        "auth": JSON(cli.auth.rawValue),
      ])
    }
    report.cli = cli(report.cliStatus, checkedAt: now.map { $0 - age / 1_000 })
    return report
  }

  private func cli(_ status: String?, checkedAt: Int?) -> JSON {
    let lastCheck = checkedAt.map { JSON(HealthReport.timestamp($0)) }
    switch state {
    case .probing: return JSON(object: ["status": JSON("probing")])
    case .unusable(_, let version):
      return JSON(object: [
        "status": status.map { JSON($0) }, "version": version.map { JSON($0.description) },
        "searched": version == nil ? JSON(loggedSearch) : nil, "last_check": lastCheck,
      ])
    case .ready(let cli):
      return JSON(object: [
        "status": JSON(status ?? "available"), "path": JSON(cli.path), "version": JSON(cli.version.description),
        "authenticated": JSON(cli.isAuthenticated), "auth": JSON(cli.auth.rawValue), "last_check": lastCheck,
      ])
    }
  }
}
