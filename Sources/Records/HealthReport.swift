// SPDX-License-Identifier: MIT
import Jansson
import JSONText

/// A backend's answer to the operation `health`: whether it can serve, and if not, why.
package struct HealthReport {
  package var backend: String
  /// Why it can't serve; nil when it can.
  package var error: String?
  /// Whether a CLI was found; nil where the backend needs none.
  package var isCLIAvailable: Bool?
  /// `not_authenticated` and the like.
  package var cliStatus: String?
  package var details: JSON?
  /// What is known of the CLI, its path too; http-frontd shows it at `/health/detailed` alone.
  package var cli: JSON?

  package init(backend: String) { self.backend = backend }

  /// The HTTP status that says the same.
  package var status: Int { error == nil ? 200 : 503 }

  /// The body of `GET /health`.
  ///
  /// - Parameter time: seconds since the epoch; nil leaves the time out.
  package func body(time: Int?) -> JSON {
    JSON(object: [
      "status": JSON(error == nil ? "healthy" : "unhealthy"), "service": JSON(Product.service),
      "version": JSON(Product.version), "timestamp": time.map { JSON(Self.timestamp($0)) },
      "claude_cli_available": JSON(isCLIAvailable ?? false), "claude_cli_status": cliStatus.map { JSON($0) },
      "backend": JSON(backend), "error": error.map { JSON($0) }, "details": details,
      "components": cli.map { JSON(object: ["claude_cli": $0]) },
    ])
  }

  /// The time of a request, in seconds since the epoch, from its ctx.
  package static func time(of ctx: ByteSlice?) -> Int? {
    ctx.flatMap { Scan.member("http", of: $0) }.flatMap { Scan.member("time", of: $0) }.flatMap { Int($0.text) }
      .map { $0 / 1_000_000 }
  }

  /// RFC 3339, UTC.
  package static func timestamp(_ seconds: Int) -> String {
    // The civil calendar of a day number, with years that begin in March.
    let days = seconds / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * dayOfYear + 2) / 153
    let month = part < 10 ? part + 3 : part - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let clock = seconds % 86_400
    return "\(year)-\(padded(month))-\(padded(dayOfYear - (153 * part + 2) / 5 + 1))T"
      + "\(padded(clock / 3_600)):\(padded(clock / 60 % 60)):\(padded(clock % 60))Z"
  }
}
