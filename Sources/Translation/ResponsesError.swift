// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// What the Responses API says of errors beyond the chat API's words: codes by which Codex and others decide whether
/// they try again.
extension AnswerError {
  /// Codex acts on these only inside a stream.
  var isActedOnInStreams: Bool { reason == .contextLength || reason == .quota }

  /// Responses and conversations can be missing too; only of a model's absence do the words say "model".
  private var reasonOfResponses: Reason? {
    guard reason == .model else { return reason }
    return message.lowercased().mentions("model") && (param.isNull || param.equals("model")) ? reason : nil
  }

  /// The code of an error that is a whole answer.
  private var codeOfResponses: JSON {
    if let code { return code }
    if let actual = reasonOfResponses { return JSON(actual.rawValue) }
    if isOverloaded { return JSON("server_is_overloaded") }
    // No field is at fault: it is the prompt as a whole.
    return type == "invalid_request_error" && status != 404 && param.isNull ? JSON("invalid_prompt") : .null
  }

  /// The code of an error that ends a stream. What may be tried again is a `server_error`: an overload by its own name
  /// ends a turn of Codex.
  var codeInStreams: JSON {
    if let code, code.isString { return code }
    if let actual = reasonOfResponses { return JSON(actual.rawValue) }
    if isOverloaded || status >= 500 || type == "api_error" || type == "timeout_error" { return JSON("server_error") }
    return JSON("invalid_prompt")
  }

  private var isOverloaded: Bool { status == 529 || type == "overloaded_error" }

  /// The message, with the time to wait in the words in which clients look for it.
  var messageWithDelay: String {
    guard reason == .rateLimit, let delay, !message.lowercased().mentions("try again in") else { return message }
    let end = message.last.map { ".!?".contains($0) } ?? true
    return message + (end ? " " : ". ") + "Please try again in \(delay)s."
  }

  var bodyOfResponses: JSON {
    JSON(object: [
      "error": JSON(object: [
        "message": JSON(messageWithDelay), "type": JSON(type), "param": param, "code": codeOfResponses,
      ])
    ])
  }
}

extension ResponsesAnswer {
  static func body(of error: AnswerError) -> JSON { error.bodyOfResponses }

  static func streamsErrors(of ctx: ByteSlice?, _ error: AnswerError) -> Bool {
    error.isActedOnInStreams && ResponsesNote(ctx).isStream
  }

  var isTranslated: Bool { operation == .messages || operation == .countTokens }
}
