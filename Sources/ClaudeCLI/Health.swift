// SPDX-License-Identifier: MIT
import JSONText
import Logs
import Records

/// What a `health` request is told. It names no paths.
struct Health {
  var status: Int
  private var error: String?
  private var details: [(String, JSONText)] = []
  private var cliStatus = "available"
  private var isAvailable = true

  /// A piece of JSON.
  typealias JSONText = String

  init(_ state: Installation.State) {
    status = 503
    switch state {
    case .probing:
      error = "the Claude CLI is being probed"
      cliStatus = "probing"
      isAvailable = false
    case .unusable(let failure, let version):
      isAvailable = false
      cliStatus = version == nil ? "not_found" : "too_old"
      error = version == nil ? "Claude CLI not found in PATH" : failure.message
      if let version { details.append(("version", "\"\(version)\"")) }
    case .ready(let cli):
      details = [
        ("version", "\"\(cli.version)\""), ("authenticated", cli.isAuthenticated ? "true" : "false"),
        ("auth", "\"\(cli.auth.rawValue)\""),
      ]
      if cli.isAuthenticated {
        status = 200
      } else {
        cliStatus = "not_authenticated"
        error = "Claude CLI is not logged in, and there is no API key"
      }
    }
  }

  func append(to bytes: inout Bytes, version: String) {
    bytes.append(status == 200 ? #"{"status":"healthy""# : #"{"status":"unhealthy""#)
    bytes.append(#","service":"claude-proxy","version":"#)
    bytes.append(quoted: version)
    bytes.append(#","timestamp":"#)
    bytes.append(quoted: Log.timestamp())
    if let error {
      bytes.append(#","error":"#)
      bytes.append(quoted: error)
    }
    bytes.append(isAvailable ? #","claude_cli_available":true"# : #","claude_cli_available":false"#)
    bytes.append(#","claude_cli_status":"#)
    bytes.append(quoted: cliStatus)
    bytes.append(#","backend":"claude-exec","details":{"#)
    for (index, (name, value)) in details.enumerated() {
      if index > 0 { bytes.append(",") }
      bytes.append(quoted: name)
      bytes.append(":")
      bytes.append(text: value)
    }
    bytes.append("}}")
  }
}
