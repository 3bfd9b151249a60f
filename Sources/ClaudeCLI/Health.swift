// SPDX-License-Identifier: MIT
import Jansson
import Records

extension Installation {
  /// What every request would be answered with now; nil where the CLI can be asked.
  var failure: APIError? {
    switch state {
    case .probing: nil
    case .unusable(let error, _): error
    case .ready(let cli): cli.isAuthenticated ? nil : CLIError.notLoggedIn
    }
  }

  /// What a `health` request is told. It names no paths.
  var health: HealthReport {
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
      }
      report.details = JSON(object: [
        "version": JSON(cli.version.description), "authenticated": JSON(cli.isAuthenticated),
        "auth": JSON(cli.auth.rawValue),
      ])
    }
    return report
  }
}
