// SPDX-License-Identifier: MIT

/// A way to bring a request through the CLI.
package enum Carrier: String, CaseIterable, Sendable {
  /// The CLI's native conversation: a transcript, and a process for each request.
  case native = "N"
  /// The request's own members in place of all that the CLI computes; one process serves many requests.
  case verbatim = "V"
  /// The conversation said again, turn by turn, to a process that serves many requests.
  case replay = "S"

  /// The table that decides.
  ///
  /// Under a login the CLI must know what it sends, whatever is wished. What can't be said again goes by a transcript.
  package static func of(_ auth: Auth, wish: Carrier?, _ request: MessagesRequest) -> Carrier {
    of(auth, wish: wish, isCount: request.isCount, isReplayable: request.isReplayable)
  }

  static func of(_ auth: Auth, wish: Carrier?, isCount: Bool, isReplayable: Bool) -> Carrier {
    if isCount { return .replay }
    switch (auth, wish) {
    case (_, .native): return .native
    case (.login, _), (.key, .replay): return isReplayable ? .replay : .native
    case (.key, _): return .verbatim
    }
  }

  /// What processes are started ahead for; nil where none can be.
  package static func ahead(_ auth: Auth, wish: Carrier?) -> Carrier? {
    switch (auth, wish) {
    case (_, .native): nil
    case (.login, _), (.key, .replay): .replay
    case (.key, _): .verbatim
    }
  }

  /// Whether a process whose turn is over can take another request.
  package var isReusable: Bool { self != .native }
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

/// What a process needs to be, or may not have been, to take a request.
struct Need: Equatable {
  var key: ProcessKey
  /// Whose request it is, by the name of the key; nil where callers are not told apart.
  var caller: String?
  var hasSystem: Bool

  /// Whether a process that has served the other may serve this.
  ///
  /// By ``Carrier/verbatim`` the request replaces all that the CLI holds. By ``Carrier/replay`` the CLI is told to
  /// forget, which nobody has to rely on across callers; and it never forgets a system text but for another.
  func follows(_ other: Need) -> Bool {
    key == other.key && (key.carrier == .verbatim || caller == other.caller && (hasSystem || !other.hasSystem))
  }
}
