// SPDX-License-Identifier: MIT
import Records

/// A path as a client's base URL and its library make it together, put into the one form that the route table has.
///
/// People give a base URL with `/v1` or without, with a slash at its end, or with the name of an API in front, and each
/// library appends its own path. Empty segments count for nothing, and neither does the number of the segments `v1`,
/// `openai` and `anthropic` at the beginning. Nothing else changes: segments are compared as they came, so a dot segment
/// or an escape is never taken for anything but itself.
package struct RoutePath: Equatable {
  /// The path in the form of the route table.
  package var canonical: String
  /// The API that the path names; nil where it names none.
  package var dialect: Dialect?

  /// The names of the APIs at the beginning of a path.
  private static let names: [Substring: Dialect] = ["openai": .openai, "anthropic": .anthropic]
  private static let version: Substring = "v1"
  /// Where the resources of the APIs stand that are asked for without any prefix. Only OpenAI's clients leave the
  /// version out by themselves: Anthropic's always write it.
  private static let bare: [Substring: String] = [
    "chat": "/openai/v1/", "responses": "/openai/v1/", "conversations": "/openai/v1/", "messages": "/v1/",
    "models": "/v1/",
  ]

  /// Nil where it is canonical already, names both APIs, or ends with its prefix.
  package init?(_ path: String) {
    guard path.utf8.first == UInt8(ascii: "/") else { return nil }
    var rest = path.split(separator: "/")[...]
    let isPlain = rest.first.map { $0 != Self.version && Self.names[$0] == nil } ?? true
    while let first = rest.first {
      if let named = Self.names[first] {
        guard dialect == nil || dialect == named else { return nil }
        dialect = named
      } else if first != Self.version {
        break
      }
      rest.removeFirst()
    }
    let segments = rest.joined(separator: "/")
    if isPlain {
      canonical = (rest.first.flatMap { Self.bare[$0] } ?? "/") + segments
    } else {
      guard !rest.isEmpty else { return nil }
      canonical = (dialect == .openai ? "/openai/v1/" : "/v1/") + segments
    }
    guard canonical != path else { return nil }
  }
}
