// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// What an `error` record says, in OpenAI's terms.
///
/// - SeeAlso: <https://platform.openai.com/docs/guides/error-codes/api-errors>
struct AnswerError {
  var status: Int
  /// Anthropic's type, but for reasons for which OpenAI has one of its own.
  var type: String
  var message: String
  var param: JSON
  /// The code that the error came with; it says more than one found out from the type.
  var code: JSON?
  var reason: Reason?
  /// How many seconds to wait before another try, as `retry-after` has it; nil where it is none or a date.
  var delay: String?

  /// - Parameter payload: the payload of an `error` record; a body that isn't Anthropic's is taken for a message.
  init(_ payload: JSON) {
    status = payload["status"]?.integer ?? 500
    let body = payload["body"] ?? .object
    let error = body["error"]
    type = error?["type"]?.string ?? APIError.type(of: status)
    message = error?["message"]?.string ?? body.string ?? body.text
    param = error?["param"] ?? .null
    code = error?["code"].flatMap { $0.isNull ? nil : $0 } ?? error?["details"]?["error_code"]
    reason = Reason(status, type, message)
    // OpenAI has one type for it, whatever a gateway calls it.
    if reason == .contextLength { type = "invalid_request_error" }
    let after = payload["headers"]?["retry-after"]
    delay = (after?.string ?? after?.integer.map(String.init))
      .flatMap { text in !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") } ? text : nil }
  }

  /// OpenAI's form of an error: `{"error":{"message","type","param","code"}}`.
  var body: JSON {
    JSON(object: [
      "error": JSON(object: [
        "message": JSON(message), "type": JSON(type), "param": param,
        "code": code ?? reason.map { JSON($0.rawValue) } ?? .null,
      ])
    ])
  }

  /// The reasons that clients of OpenAI's act on: OpenAI's codes.
  enum Reason: String {
    case apiKey = "invalid_api_key"
    case model = "model_not_found"
    case rateLimit = "rate_limit_exceeded"
    /// The client shortens the conversation and tries again.
    case contextLength = "context_length_exceeded"
    /// The client must not try again.
    case quota = "insufficient_quota"

    /// By the type too, since a bare error has no status; and by the message, where Anthropic has one type for many
    /// reasons.
    init?(_ status: Int, _ type: String, _ message: String) {
      switch (status, type) {
      case (402, _), (_, "billing_error"): self = .quota
      case (401, _), (_, "authentication_error"): self = .apiKey
      case (404, _), (_, "not_found_error"): self = .model
      case (429, _), (_, "rate_limit_error"): self = .rateLimit
      // The request has too many bytes, which a shorter conversation need not mend.
      case (_, "request_too_large"): return nil
      case (400..<500, _), (_, "invalid_request_error"):
        let words = message.lowercased()
        if Self.isTooLong(words) {
          self = .contextLength
        } else if Self.isUnpaid(words) {
          self = .quota
        } else {
          return nil
        }
      default: return nil
      }
    }

    /// Whether the API says that the conversation, alone or with `max_tokens`, doesn't fit into the model's context.
    ///
    /// The words are Anthropic's own, and those that clouds and gateways before it have been seen to use.
    private static func isTooLong(_ words: String) -> Bool {
      if ["prompt is too long", "input is too long", "maximum context length"].contains(where: words.mentions) {
        return true
      }
      let names = ["context limit", "context window", "context length", "maximum number of input tokens"]
      return words.mentions("exceed") && names.contains(where: words.mentions)
    }

    /// Whether the API says that the account has no money left, or has reached the limit set for it.
    private static func isUnpaid(_ words: String) -> Bool {
      ["credit balance is too low", "reached your specified api usage limits"].contains(where: words.mentions)
    }
  }
}
