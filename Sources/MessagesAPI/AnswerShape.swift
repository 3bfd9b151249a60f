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
    let name: StaticString =
      switch operation {
      case .messages, .health, .other: "content"
      case .countTokens: "input_tokens"
      case .models: "data"
      case .model: "id"
      }
    var type, error, expected: ByteSlice?
    Scan.members(body) { key, value in
      if type == nil, key.equals("type") {
        type = value
      } else if error == nil, key.equals("error") {
        error = value
      } else if expected == nil, key.equals(name) {
        expected = value
      }
      return true
    }
    let isTypedError = Scan.plainString(type)?.equals("error") == true
    if let error, !error.equals("null") {
      self = Self.failure(error)
    } else if isTypedError {
      self = .other("the API answered with an error that says nothing")
    } else if let expected, Self.isExpected(expected, operation, type: type, in: body) {
      self = .success
    } else {
      self = .other("the API answered with status 200, but not with \(Self.name(operation))")
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

  /// Whether the member that makes an answer to the operation is as it must be, and the rest as far as it tells other
  /// objects apart.
  private static func isExpected(
    _ value: ByteSlice, _ operation: Operation, type: ByteSlice?, in body: ByteSlice
  ) -> Bool {
    switch operation {
    case .messages:
      // A list of content blocks, each of which names its type. It may be empty, as the API's own is where the model has
      // nothing to add.
      guard type == nil || Scan.plainString(type)?.equals("message") == true else { return false }
      return isList(value) { isString(Scan.member("type", of: $0)) }
    case .countTokens: return value.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    case .models: return type == nil && isList(value, of: isModel)
    case .model: return isModel(body)
    case .health, .other: return true
    }
  }

  /// Messages, files and batches have an `id` too, so a model must say what it is: in its `type`, or as gateways of
  /// OpenAI's form do, in its `object`.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/models>, <https://platform.openai.com/docs/api-reference/models/object>
  private static func isModel(_ object: ByteSlice) -> Bool {
    let kind = Scan.member("type", of: object) ?? Scan.member("object", of: object)
    return isString(Scan.member("id", of: object)) && Scan.plainString(kind)?.equals("model") == true
  }

  private static func isString(_ value: ByteSlice?) -> Bool { value.map { $0[0] == UInt8(ascii: "\"") } == true }

  private static func isList(_ value: ByteSlice, of isElement: (ByteSlice) -> Bool) -> Bool {
    guard value[0] == UInt8(ascii: "[") else { return false }
    var isGood = true
    Scan.elements(value) {
      isGood = $0[0] == UInt8(ascii: "{") && isElement($0)
      return isGood
    }
    return isGood
  }

  private static func name(_ operation: Operation) -> String {
    switch operation {
    case .messages, .health, .other: "a message"
    case .countTokens: "a count of tokens"
    case .models: "a list of models"
    case .model: "a model"
    }
  }
}
