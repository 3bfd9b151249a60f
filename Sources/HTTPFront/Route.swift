// SPDX-License-Identifier: MIT
import NIOHTTP1
import Records

/// One line of the route table: which operation of which API answers a path.
///
/// A line is `METHOD PATH OPERATION DIALECT`, for example `GET /v1/models/{id} model auto`. A segment of the path in
/// braces matches any one segment. The stages get the segment `{id}` as `ctx.id`.
package final class Route: Sendable {
  /// Who answers: the pipeline, or the front by itself.
  package enum Purpose: String, Sendable {
    /// The pipeline; its answer is handed on.
    case relay
    /// The pipeline, asked for its health; with or without its answer, the front.
    case health, ready, detailed, metrics
    /// The front alone.
    case live, page, description
  }

  /// Whether a request of the route may or must have a body.
  package enum Body: Sendable {
    /// The record's payload is null.
    case none
    /// An object, or nothing at all: the payload is null then.
    case optional
    case required
  }

  package let method: HTTPMethod
  /// The path as the table has it, which is also its label in the metrics.
  package let path: String
  package let purpose: Purpose
  package let op: Operation
  package let dialect: Dialect
  package let body: Body
  private let segments: [Segment]

  private enum Segment {
    case literal(String)
    /// `{id}`, handed on.
    case id
    /// Any other name in braces.
    case any
  }

  private init(
    _ method: HTTPMethod, _ path: String, _ segments: [Segment], _ purpose: Purpose, _ op: Operation, _ dialect: Dialect
  ) {
    (self.method, self.path, self.segments, self.purpose) = (method, path, segments, purpose)
    (self.op, self.dialect) = (op, dialect)
    let takesBody = [.POST, .PUT, .PATCH].contains(method)
    body = !takesBody ? .none : op == .messages || op == .countTokens ? .required : .optional
  }

  // MARK: A line

  /// The word in the place of a dialect if the front answers by itself. The operation is then the purpose.
  private static let front = "front"
  private static let methods: [HTTPMethod] = [.GET, .POST, .PUT, .PATCH, .DELETE]

  /// Reads one line.
  ///
  /// - Parameter isBuiltIn: whether the line may name what the front answers by itself.
  /// - Throws: ``Fault`` that says what was expected.
  package convenience init(line: Substring, isBuiltIn: Bool) throws(Fault) {
    let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
    guard words.count == 4 else {
      throw Fault("expected METHOD PATH OPERATION DIALECT, for example POST /mini/chat messages mini")
    }
    let (path, op, dialect) = (words[1], words[2], words[3])
    guard let method = Self.methods.first(where: { $0.rawValue == words[0] }) else {
      throw Fault("the method is \(words[0]); expected GET, POST, PUT, PATCH or DELETE, in capital letters")
    }
    guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count <= FrontLimits.maxRoutePath else {
      throw Fault("the path must begin with / and have at most \(FrontLimits.maxRoutePath) bytes")
    }
    let segments = try Self.segments(of: path)
    if isBuiltIn, dialect == Self.front {
      guard let purpose = Purpose(rawValue: op) else { throw Fault("the front has no answer called \(op)") }
      self.init(method, path, segments, purpose, .health, .anthropic)
      return
    }
    guard Self.isName(op), op != Operation.health.rawValue else {
      throw Fault(
        "the operation is \(op); expected lower-case letters, digits and _, for example messages (health is reserved)")
    }
    guard Self.isName(dialect, and: "-"), dialect != Self.front else {
      throw Fault(
        "the dialect is \(dialect); expected lower-case letters, digits, _ and -, for example openai "
          + "(front is reserved)")
    }
    self.init(method, path, segments, .relay, Operation(rawValue: op), Dialect(rawValue: dialect))
  }

  /// What is wrong with a line.
  package struct Fault: Error {
    package let message: String
    init(_ message: String) { self.message = message }
  }

  private static func segments(of path: String) throws(Fault) -> [Segment] {
    guard path != "/" else { return [] }
    var segments: [Segment] = []
    var hasID = false
    for text in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if text.hasPrefix("{"), text.hasSuffix("}"), isName(String(text.dropFirst().dropLast())) {
        let isID = text == "{id}"
        if isID, hasID { throw Fault("the path has {id} twice; give the others another name, for example {item}") }
        hasID = hasID || isID
        segments.append(isID ? .id : .any)
        continue
      }
      // Escapes never match, because the path of a request is compared without decoding.
      guard !text.isEmpty, text != ".", text != "..", text.utf8.allSatisfy(isPathByte) else {
        throw Fault(
          "the segment \"\(text)\" of the path is invalid; expected letters, digits and -._~!$&'()*+,=:@, or {id}")
      }
      segments.append(.literal(String(text)))
    }
    return segments
  }

  private static func isName(_ text: String, and more: StaticString = "") -> Bool {
    guard let first = text.utf8.first, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z") else { return false }
    return text.utf8.count <= 64
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: more.withUTF8Buffer { $0.contains(byte) }
        }
      }
  }

  /// Of RFC 3986's `pchar`, without escapes and without the `;` that separates routes.
  private static func isPathByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: ("-._~!$&'()*+,=:@" as StaticString).withUTF8Buffer { $0.contains(byte) }
    }
  }

  // MARK: Matching

  /// Whether a segment of the path matches any segment.
  var isOpen: Bool {
    segments.contains { if case .literal = $0 { false } else { true } }
  }

  /// The path without the names of its open segments: routes of one shape match the same paths.
  var shape: String {
    segments.map { if case .literal(let text) = $0 { "/" + text } else { "/{}" } }.joined()
  }

  /// The id in the path, or "" if the route has none; nil if the route does not match.
  func match(_ asked: String) -> String? {
    var rest = asked.utf8[...]
    var id = ""
    for segment in segments {
      guard rest.popFirst() == UInt8(ascii: "/") else { return nil }
      let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
      let text = rest[..<end]
      rest = rest[end...]
      if case .literal(let expected) = segment {
        guard text.elementsEqual(expected.utf8) else { return nil }
        continue
      }
      // Other programs on the way read dots as steps in the path, not as a name.
      guard !text.isEmpty, let decoded = percentDecoded(Substring(text)), decoded != ".", decoded != ".." else {
        return nil
      }
      if case .id = segment { id = decoded }
    }
    return rest.isEmpty ? id : nil
  }
}
