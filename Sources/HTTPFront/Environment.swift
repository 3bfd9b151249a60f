// SPDX-License-Identifier: MIT
import Glibc

/// The environment that the stages get, and apart from it what they must not see.
package struct Environment: Sendable {
  /// Each `NAME=value` with the zero after it: bytes, since they need not be UTF-8.
  package private(set) var variables: [[CChar]] = []
  /// Those that let clients in.
  package private(set) var secrets: [[CChar]] = []

  private static let secretNames = ["AUTH_TOKEN", "BEARER_TOKEN"]
  /// Meant for this process alone: its sockets, and its line to the service manager.
  private static let ownNames = [
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
  ]

  /// Takes `NAME=value` entries, each without a zero.
  package init(_ entries: some Sequence<some Sequence<UInt8>>) {
    for entry in entries {
      let variable = entry.map { CChar(bitPattern: $0) } + [0]
      let name = Self.name(of: variable)
      if Self.secretNames.contains(name) {
        secrets.append(variable)
      } else if !Self.ownNames.contains(name) {
        variables.append(variable)
      }
    }
  }

  /// That of this process; the secrets are taken out of it: the stages don't see them, nor does `/proc`.
  package static func takeOurs() -> Environment {
    var entries: [[UInt8]] = []
    var next = environ
    while let entry = next.pointee {
      entries.append(UnsafeBufferPointer(start: entry, count: strlen(entry)).map { UInt8(bitPattern: $0) })
      next += 1
    }
    for name in secretNames {
      guard let value = getenv(name) else { continue }
      memset(value, 0, strlen(value))
      unsetenv(name)
    }
    return Environment(entries)
  }

  private static func name(of variable: [CChar]) -> String {
    String(decoding: variable.prefix { $0 != CChar(UInt8(ascii: "=")) }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The value of a variable, a secret or not.
  package func value(of name: String) -> String? {
    guard let variable = (variables + secrets).first(where: { Self.name(of: $0) == name }) else { return nil }
    return String(
      decoding: variable.dropFirst(name.utf8.count + 1).dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The tokens of AUTH_TOKEN and BEARER_TOKEN.
  package var tokens: [(variable: String, secret: String)] {
    Self.secretNames.compactMap { name in value(of: name).map { (name, $0) } }
  }

  /// Hands it to a call as execve(2) takes it.
  func withPointers<Result>(
    withSecrets: Bool, _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let entries = variables + (withSecrets ? secrets : [])
    var pointers = entries.map { entry in entry.withUnsafeBufferPointer { strdup($0.baseAddress!) } }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
  }
}
