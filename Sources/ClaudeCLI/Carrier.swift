// SPDX-License-Identifier: MIT

/// A way to bring a request through the CLI.
package enum Carrier: String, CaseIterable, Sendable {
  /// The CLI's native conversation: a transcript, and a process for each request.
  case native = "N"
  /// The request's own members in place of all that the CLI computes; one process serves many requests.
  case verbatim = "V"

  /// The table that decides.
  ///
  /// Under a login the CLI must know what it sends, whatever is wished.
  package static func of(_ auth: Auth, wish: Carrier?) -> Carrier {
    switch auth {
    case .login: .native
    case .key: wish ?? .verbatim
    }
  }

  /// Whether a process whose turn is over can take another request.
  package var isReusable: Bool { self == .verbatim }
}

/// All that can't change once a process has started: only requests that agree in it share one.
struct ProcessKey: Hashable {
  var path: String
  var version: String
  var auth: Auth
  var carrier: Carrier
  var betas: [String] = []
  /// The variable ``Contract/noThinking`` is left out.
  var omitsThinking = false

  init(_ cli: Installation.CLI, _ carrier: Carrier) {
    (path, version, auth, self.carrier) = (cli.path, cli.version.description, cli.auth, carrier)
  }
}
