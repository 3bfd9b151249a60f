// SPDX-License-Identifier: MIT
import Glibc

/// The environment that we were started with, and what of it each program that we start gets.
package struct Environment: Sendable {
  /// The kind of program that gets it.
  enum Audience {
    /// The program that tells the settings anew: all of it.
    case inquiry
    /// A stage of these words: all but the secrets that its programs don't declare.
    case stage([String])
  }

  private struct Variable: Sendable {
    var name: String
    /// `NAME=value` with the zero after it: bytes, since they need not be UTF-8.
    var entry: [CChar]
    var isSecret: Bool
  }

  private var variables: [Variable] = []
  /// Which stages get which secrets.
  package var secrets = Secrets()
  /// Variables that a stage gets instead of the server's.
  private var overrides: [(name: String, value: String)] = []

  /// Meant for this process alone: its sockets, and its line to the service manager.
  private static let ownNames = [
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
  ]

  /// Takes `NAME=value` entries, each without a zero.
  package init(_ entries: some Sequence<some Sequence<UInt8>>) {
    for entry in entries {
      let bytes = Array(entry)
      let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
      guard !Self.ownNames.contains(name) else { continue }
      variables.append(
        Variable(
          name: name, entry: bytes.map { CChar(bitPattern: $0) } + [0],
          isSecret: Secrets.isSecret(name, value: bytes.dropFirst(name.utf8.count + 1))))
    }
  }

  /// That of this process; the secrets are taken out of it, so that `/proc` doesn't show them.
  package static func takeOurs() -> Environment {
    var entries: [[UInt8]] = []
    var next = environ
    while let entry = next.pointee {
      entries.append(UnsafeBufferPointer(start: entry, count: strlen(entry)).map { UInt8(bitPattern: $0) })
      next += 1
    }
    let environment = Environment(entries)
    for variable in environment.variables where variable.isSecret {
      guard let value = getenv(variable.name) else { continue }
      memset(value, 0, strlen(value))
      unsetenv(variable.name)
    }
    return environment
  }

  /// The same, but for these variables.
  func setting(_ values: (name: String, value: String)...) -> Environment {
    var changed = self
    changed.overrides += values
    return changed
  }

  /// The value of a variable, a secret or not.
  package func value(of name: String) -> String? {
    guard let variable = variables.first(where: { $0.name == name }) else { return nil }
    return String(
      decoding: variable.entry.dropFirst(name.utf8.count + 1).dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The tokens of AUTH_TOKEN and BEARER_TOKEN.
  package var tokens: [(variable: String, secret: String)] {
    Secrets.clientTokens.compactMap { name in value(of: name).map { (name, $0) } }
  }

  /// The names of what a stage of these words gets.
  package func names(forStage words: [String]) -> [String] { variables(for: .stage(words)).map(\.name) }

  private func variables(for audience: Audience) -> [Variable] {
    guard case .stage(let words) = audience else { return variables }
    let declared = secrets.names(for: words)
    return variables.filter { variable in
      !overrides.contains { $0.name == variable.name } && (!variable.isSecret || declared.contains(variable.name))
    }
  }

  /// Hands it to a call as execve(2) takes it.
  func withPointers<Result>(
    for audience: Audience, _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = variables(for: audience).map { $0.entry.withUnsafeBufferPointer { strdup($0.baseAddress!) } }
    if case .stage = audience { pointers += overrides.map { strdup("\($0.name)=\($0.value)") } }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
  }
}
