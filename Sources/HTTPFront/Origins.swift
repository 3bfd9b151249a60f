// SPDX-License-Identifier: MIT
import Records

/// The origins whose pages may ask us, beside our own.
package struct Origins: Sendable {
  private struct Pattern {
    var start: String
    /// Nil where the origin is the start, whole.
    var end: String?
  }

  private var patterns: [Pattern] = []
  /// Whether any page may ask.
  package private(set) var allowsAll = false

  /// No other origin than our own.
  package static let none = Origins()

  private init() {}

  package var isEmpty: Bool { patterns.isEmpty && !allowsAll }

  /// Takes a comma list of origins: `https://a.example`, `http://localhost:*`, `https://*.a.example`, or `*` for all.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package init(_ list: String) throws(Failure) {
    for item in list.split(separator: ",") {
      let item = trimmed(item).lowercased()
      guard !item.isEmpty else { continue }
      if item == "*" {
        allowsAll = true
        continue
      }
      let parts = item.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
      let hasScheme = parts[0].hasPrefix("http://") || parts[0].hasPrefix("https://")
      guard hasScheme, parts.count <= 2, !item.hasSuffix("/") else {
        throw Failure(
          .usage, "--cors-origins: \(item) is no origin; expected such as https://a.example or http://localhost:*")
      }
      patterns.append(Pattern(start: parts[0], end: parts.count == 2 ? parts[1] : nil))
    }
  }

  package func allows(_ origin: String) -> Bool {
    // It stands in the answer's head; a name has at most 253 bytes (RFC 1035, 2.3.4).
    guard origin.utf8.count <= FrontLimits.maxEcho + 64 else { return false }
    let origin = origin.lowercased()
    return allowsAll || patterns.contains { Self.matches(origin, $0) }
  }

  private static func matches(_ origin: String, _ pattern: Pattern) -> Bool {
    guard let end = pattern.end else { return origin == pattern.start }
    let fixed = pattern.start.utf8.count + end.utf8.count
    guard origin.utf8.count > fixed, origin.hasPrefix(pattern.start), origin.hasSuffix(end) else { return false }
    let middle = origin.utf8.dropFirst(pattern.start.utf8.count).dropLast(end.utf8.count)
    // A star stands for a port, or for part of a name: never for what would make it another one's.
    return middle.allSatisfy(pattern.start.hasSuffix(":") ? isDigit : isHostByte)
  }

  // MARK: What the browser is told

  /// The headers of an answer that a page may read: ours, those by which the vendors' SDKs try again, and, by the star,
  /// whatever the upstream says of its limits. (Browsers know the star since 2019; it holds as no credentials of the
  /// browser's own are allowed.)
  package static let exposed = [
    "x-request-id", "request-id", "x-claude-model", "x-proxy-loss", "retry-after", "retry-after-ms", "x-should-retry",
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "*",
  ].joined(separator: ", ")

  /// How long a browser may remember a preflight's answer: a day, in seconds.
  package static let maxAge = 86_400

  /// The answer to a preflight from a page that is allowed; the origin itself stands on every answer.
  ///
  /// - Parameters:
  ///   - asked: the headers that the page's request will have.
  ///   - methods: those that some path takes.
  static func preflight(_ asked: String?, methods: [String], isPrivate: Bool) -> LocalAnswer {
    var answer = LocalAnswer(status: 204, text: "")
    answer.headers = [
      ("access-control-allow-methods", methods.joined(separator: ", ")), ("access-control-max-age", String(maxAge)),
    ]
    let names = (asked ?? "").split(separator: ",").map(trimmed).filter { name in
      !name.isEmpty && name.utf8.allSatisfy(isHostByte)
    }
    let list = names.joined(separator: ", ")
    // No page needs more than that for this server.
    if !names.isEmpty, list.utf8.count <= FrontLimits.maxAnswerHeader {
      answer.headers.append(("access-control-allow-headers", list))
    }
    if isPrivate { answer.headers.append(("access-control-allow-private-network", "true")) }
    return answer
  }
}
