// SPDX-License-Identifier: MIT
import Jansson
import Records

/// OpenAI's form of an error: `{"error":{"message","type","param","code"}}`.
///
/// - SeeAlso: <https://platform.openai.com/docs/guides/error-codes/api-errors>
enum ChatError {
  static func body(status: Int, type: String, message: String, param: JSON?, code: JSON? = nil) -> JSON {
    JSON(object: [
      "error": JSON(object: [
        "message": JSON(message), "type": JSON(type), "param": param ?? .null,
        "code": code ?? Self.code(of: status, type).map { JSON($0) } ?? .null,
      ])
    ])
  }

  /// The form of an Anthropic error body; what isn't one is taken for a message.
  static func body(of anthropic: JSON, status: Int) -> JSON {
    let error = anthropic["error"]
    return body(
      status: status, type: error?["type"]?.string ?? APIError.type(of: status),
      message: error?["message"]?.string ?? anthropic.string ?? anthropic.text, param: error?["param"],
      code: error?["code"].flatMap { $0.isNull ? nil : $0 })
  }

  /// By the type too, since a bare error has no status.
  private static func code(of status: Int, _ type: String) -> String? {
    switch (status, type) {
    case (401, _), (_, "authentication_error"): "invalid_api_key"
    case (404, _), (_, "not_found_error"): "model_not_found"
    case (429, _), (_, "rate_limit_error"): "rate_limit_exceeded"
    default: nil
    }
  }
}
