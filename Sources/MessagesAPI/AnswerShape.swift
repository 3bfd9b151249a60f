// SPDX-License-Identifier: MIT
import JSONText
import Records

/// What a body of status 200 is. The rule: a success is only what has the shape of what was asked for.
///
/// Gateways answer with status 200 and an error, a page, or something of another API. A client would take each of these
/// for an empty answer.
enum AnswerShape {
  case success
  /// It is an error in the API's form, which belongs to this status.
  case refusal(status: Int)
  /// It is neither. The words are for the client.
  case other(String)

  /// - Parameter body: one valid JSON value.
  init(of body: ByteSlice, to operation: Operation) {
    let body = body.cut(Scan.skipSpace(body, 0), body.count)
    if let error = Scan.member("error", of: body), !error.equals("null") {
      self = Self.failure(error)
    } else if Self.isOfType("error", body) {
      self = .other("the API answered with an error that says nothing")
    } else {
      self =
        Self.isExpected(body, operation)
        ? .success : .other("the API answered with status 200, but not with \(Self.name(operation))")
    }
  }

  /// What an `error` member says.
  private static func failure(_ error: ByteSlice) -> AnswerShape {
    if let text = Scan.plainString(error) {
      return .other("the API answered with an error: \(String(decoding: text.prefix(500), as: UTF8.self))")
    }
    guard let status = status(of: error) else { return .other("the API answered with an error that says nothing") }
    return .refusal(status: status)
  }

  /// The status that belongs to an error object: by its type, or where no type of the API's is there, by the number that
  /// some gateways give instead.
  ///
  /// Nil where the object explains nothing.
  static func status(of error: ByteSlice) -> Int? {
    guard error[0] == UInt8(ascii: "{") else { return nil }
    let type = Scan.plainString(Scan.member("type", of: error))
    if let type, let status = APIError.knownStatus(of: type.text) { return status }
    for name: StaticString in ["code", "status", "status_code"] {
      guard let text = Scan.member(name, of: error)?.text, text.utf8.count == 3, let number = Int(text),
        (400..<600).contains(number)
      else { continue }
      return number
    }
    if type != nil { return 500 }
    return isString(Scan.member("message", of: error)) ? 502 : nil
  }

  private static func isExpected(_ body: ByteSlice, _ operation: Operation) -> Bool {
    guard body[0] == UInt8(ascii: "{") else { return false }
    switch operation {
    case .messages: return isMessage(body)
    case .countTokens:
      guard let count = Scan.member("input_tokens", of: body) else { return false }
      return count.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    case .models: return isList(Scan.member("data", of: body)) { isString(Scan.member("id", of: $0)) }
    case .model: return isString(Scan.member("id", of: body))
    case .health: return true
    }
  }

  /// A message has a list of content blocks, each of which names its type. The list may be empty, as the API itself does
  /// where the model has nothing to add.
  static func isMessage(_ message: ByteSlice) -> Bool {
    guard message[0] == UInt8(ascii: "{"), Scan.member("type", of: message) == nil || isOfType("message", message)
    else { return false }
    return isList(Scan.member("content", of: message)) { isString(Scan.member("type", of: $0)) }
  }

  private static func isOfType(_ name: StaticString, _ object: ByteSlice) -> Bool {
    Scan.plainString(Scan.member("type", of: object))?.equals(name) == true
  }

  private static func isString(_ value: ByteSlice?) -> Bool { value.map { $0[0] == UInt8(ascii: "\"") } == true }

  private static func isList(_ value: ByteSlice?, of isElement: (ByteSlice) -> Bool) -> Bool {
    guard let value, value[0] == UInt8(ascii: "[") else { return false }
    var isGood = true
    Scan.elements(value) {
      isGood = $0[0] == UInt8(ascii: "{") && isElement($0)
      return isGood
    }
    return isGood
  }

  private static func name(_ operation: Operation) -> String {
    switch operation {
    case .messages, .health: "a message"
    case .countTokens: "a count of tokens"
    case .models: "a list of models"
    case .model: "a model"
    }
  }
}
