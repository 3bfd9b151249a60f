// SPDX-License-Identifier: MIT
import NIOHTTP1
import Records

/// Which request goes where: the front's whole knowledge of the APIs.
package struct Route: Sendable {
  /// Who answers.
  package enum Purpose: Sendable {
    /// The pipeline; its answer is handed on.
    case relay
    /// The pipeline, asked for its health; with or without its answer, the front.
    case health, ready, detailed, metrics
    /// The front alone.
    case live, page, description
  }

  package let method: HTTPMethod
  /// The path in its one canonical form; `{id}` at its end stands for one segment.
  package let path: String
  package let purpose: Purpose
  package let op: Operation
  package let dialect: Dialect
  /// What stands before the id, where there is one.
  private let beforeID: String?

  private init(_ method: HTTPMethod, _ path: String, _ purpose: Purpose, _ op: Operation, _ dialect: Dialect) {
    (self.method, self.path, self.purpose, self.op, self.dialect) = (method, path, purpose, op, dialect)
    beforeID = path.hasSuffix("{id}") ? String(path.dropLast(4)) : nil
  }

  private static func relay(
    _ method: HTTPMethod, _ path: String, _ op: Operation, _ dialect: Dialect
  ) -> Route {
    Route(method, path, .relay, op, dialect)
  }

  private static func own(_ path: String, _ purpose: Purpose) -> Route {
    Route(.GET, path, purpose, .health, .anthropic)
  }

  package static let table: [Route] = [
    relay(.POST, "/openai/v1/chat/completions", .messages, .openai),
    relay(.GET, "/openai/v1/models", .models, .openai),
    relay(.GET, "/openai/v1/models/{id}", .model, .openai),
    relay(.POST, "/v1/messages", .messages, .anthropic),
    relay(.POST, "/v1/messages/count_tokens", .countTokens, .anthropic),
    relay(.POST, chatCompletions, .messages, .auto),
    relay(.GET, "/v1/models", .models, .auto),
    relay(.GET, "/v1/models/{id}", .model, .auto),
    own("/health", .health),
    own("/health/live", .live),
    own("/health/ready", .ready),
    own("/health/detailed", .detailed),
    own("/metrics", .metrics),
    own("/", .page),
    own("/openapi.json", .description),
  ]

  /// The path that both APIs' clients use; its dialect is a setting.
  package static let chatCompletions = "/v1/chat/completions"

  package enum Match {
    /// - Parameter dialect: that of the API that the path names, where the route leaves it open.
    case found(index: Int, id: String?, dialect: Dialect)
    /// The path is known; these methods are what it takes.
    case wrongMethod(allowed: [String])
    case unknown
  }

  /// Finds the route of a path (without its query), written in its canonical form or as a base URL makes it.
  package static func find(_ method: HTTPMethod, _ path: String) -> Match {
    let match = find(method, canonical: path, named: nil)
    // Nearly all requests have a canonical path: they don't pay for taking others apart.
    guard case .unknown = match, let asked = RoutePath(path) else { return match }
    return find(method, canonical: asked.canonical, named: asked.dialect)
  }

  /// HEAD goes where GET goes.
  private static func find(_ method: HTTPMethod, canonical path: String, named dialect: Dialect?) -> Match {
    let wanted = method == .HEAD ? .GET : method
    var allowed: [String] = []
    for (index, route) in table.enumerated() {
      guard let id = route.match(path) else { continue }
      if route.method == wanted {
        // The API of a chat completion is found out, or set, wherever a route leaves it open.
        let isOpen = route.dialect == .auto && route.op != .messages
        return .found(index: index, id: id.isEmpty ? nil : id, dialect: isOpen ? dialect ?? .auto : route.dialect)
      }
      allowed.append(route.method.rawValue)
      if route.method == .GET { allowed.append("HEAD") }
    }
    if allowed.isEmpty { return .unknown }
    allowed.append("OPTIONS")
    return .wrongMethod(allowed: allowed)
  }

  /// Nil where the path isn't this route's; else the id in it, or nothing.
  private func match(_ asked: String) -> String? {
    guard let beforeID else { return path == asked ? "" : nil }
    guard asked.utf8.count > beforeID.utf8.count, asked.utf8.starts(with: beforeID.utf8) else { return nil }
    let id = asked.utf8.dropFirst(beforeID.utf8.count)
    guard !id.contains(UInt8(ascii: "/")), let decoded = percentDecoded(Substring(id)) else { return nil }
    // Other programs on the way read these as steps in the path, never as a name.
    return decoded == "." || decoded == ".." ? nil : decoded
  }
}

/// The text that a URL's percent escapes stand for; nil where an escape is none, or makes no UTF-8, or a control
/// character: no name has one, and whoever prints or logs it would not expect one.
package func percentDecoded(_ text: Substring) -> String? {
  guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
  var bytes: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      bytes.append(byte)
      continue
    }
    guard let high = rest.popFirst().flatMap(hexDigitValue), let low = rest.popFirst().flatMap(hexDigitValue)
    else { return nil }
    bytes.append(high << 4 | low)
  }
  let decoded = String(validating: bytes, as: UTF8.self)
  return decoded?.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) } == false
    ? decoded : nil
}

private func hexDigitValue(_ byte: UInt8) -> UInt8? {
  Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) }
}
