// SPDX-License-Identifier: MIT
import JSONText

/// What a request is answered with when it can't be served: an `error` record.
///
/// The body is Anthropic's: `{"type":"error","error":{"type","message"},"request_id"}`.
///
/// - SeeAlso: <https://docs.anthropic.com/en/api/errors>
package struct APIError: Error, Equatable {
  /// The HTTP status.
  package var status: Int
  /// Anthropic's error type, such as `invalid_request_error`.
  package var type: String
  /// For the person at the client: what was wrong, where, and what was expected.
  package var message: String
  /// The request's field that is at fault, in the client's own terms: `messages[0].role`.
  package var param: String?
  package var code: String?
  /// More for a program, as the text of a JSON object: the member `details` of the body's `error`.
  package var details: String?
  /// Headers for the HTTP answer, such as `retry-after` (lower case).
  package var headers: [(name: String, value: String)] = []

  package init(
    status: Int, type: String? = nil, _ message: String, param: String? = nil, code: String? = nil,
    details: String? = nil, headers: [(name: String, value: String)] = []
  ) {
    self.status = status
    self.type = type ?? Self.type(of: status)
    self.message = message
    self.param = param
    self.code = code
    self.details = details
    self.headers = headers
  }

  /// The request is wrong.
  package static func invalid(_ message: String, param: String? = nil) -> APIError {
    APIError(status: 400, message, param: param)
  }

  /// The error type that the Messages API gives with a status.
  package static func type(of status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 402: "billing_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 413: "request_too_large"
    case 429: "rate_limit_error"
    case 504: "timeout_error"
    case 529: "overloaded_error"
    case 400..<500: "invalid_request_error"
    default: "api_error"
    }
  }

  /// The status that the Messages API gives with an error of that type; 500 for a type that it does not have.
  package static func status(of type: String) -> Int { knownStatus(of: type) ?? 500 }

  /// The same; nil for a type that it does not have.
  package static func knownStatus(of type: String) -> Int? {
    switch type {
    case "invalid_request_error": 400
    case "authentication_error": 401
    case "billing_error": 402
    case "permission_error": 403
    case "not_found_error": 404
    case "request_too_large": 413
    case "rate_limit_error": 429
    case "api_error": 500
    case "timeout_error": 504
    case "overloaded_error": 529
    default: nil
    }
  }

  package static func == (one: APIError, other: APIError) -> Bool {
    one.status == other.status && one.type == other.type && one.message == other.message && one.param == other.param
      && one.code == other.code && one.details == other.details && one.headers.map(\.name) == other.headers.map(\.name)
      && one.headers.map(\.value) == other.headers.map(\.value)
  }
}

extension Bytes {
  /// Appends the body of an error as the Messages API writes it.
  package mutating func append(body error: APIError, requestID: ByteSlice?) {
    append(#"{"type":"error","error":{"type":"#)
    append(quoted: error.type)
    append(#","message":"#)
    append(quoted: error.message)
    if let param = error.param {
      append(#","param":"#)
      append(quoted: param)
    }
    if let code = error.code {
      append(#","code":"#)
      append(quoted: code)
    }
    if let details = error.details {
      append(#","details":"#)
      append(text: details)
    }
    append("}")
    if let requestID {
      append(#","request_id":""#)
      append(requestID)
      append("\"")
    }
    append("}")
  }

  /// Appends the payload of an `error` record.
  package mutating func append(payload error: APIError, requestID: ByteSlice?) {
    append(#"{"status":"#)
    append(decimal: error.status)
    append(#","headers":"#)
    append(headers: error.headers)
    append(#","body":"#)
    append(body: error, requestID: requestID)
    append("}")
  }

  /// Appends headers as a flat JSON object.
  package mutating func append(headers: [(name: String, value: String)]) {
    append("{")
    var isFirst = true
    for (name, value) in headers {
      if !isFirst { append(",") }
      isFirst = false
      append(quoted: name)
      append(":")
      append(quoted: value)
    }
    append("}")
  }
}
