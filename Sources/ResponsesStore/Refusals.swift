// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

extension APIError {
  static func unknownPrevious(_ id: String) -> APIError {
    notFound("Previous response with id '\(id.clipped)' not found.", param: "previous_response_id")
  }

  static func unreadable(_ id: String, _ trouble: Trouble?) -> APIError {
    notFound(
      "Previous response with id '\(id.clipped)' can't be looked up, because the proxy can't read its store of responses"
        + " (\(trouble?.kind.rawValue ?? "unreadable")). Try again later, or send the whole conversation as input.",
      param: "previous_response_id")
  }

  static func unknownItem(_ id: String, at place: Int, _ trouble: Trouble?) -> APIError {
    guard let trouble else {
      return notFound(
        "Item with id '\(id.clipped)' not found. Items are not persisted when `store` is set to false. Try again with"
          + " `store` set to true, or remove this item from your input.", param: "input[\(place)].id")
    }
    return notFound(
      "Item with id '\(id.clipped)' can't be looked up, because the proxy can't read its store of responses"
        + " (\(trouble.kind.rawValue)). Try again later, or send the item itself.", param: "input[\(place)].id")
  }

  private static func notFound(_ message: String, param: String) -> APIError {
    APIError(status: 400, message, param: param, code: "previous_response_not_found")
  }

  /// The error for an item that the conversation of `previous_response_id` has already. The first words are OpenAI's.
  static func repeatedItem(_ id: String) -> APIError {
    .invalid(
      "Duplicate item found with id \(id.clipped). Remove duplicate items from your input and try again. The"
        + " conversation of previous_response_id has this item already.", param: "input")
  }

  static var conversationTooLarge: APIError {
    APIError(
      status: 400,
      "the conversation of previous_response_id exceeds what one request may hold"
        + " (\(Limits.maxLine >> 20) MiB, or \(JSON.maxNodes) JSON values by MAX_NODES). Start a new conversation with a summary"
        + " of this one.", param: "previous_response_id", code: "context_length_exceeded")
  }

  /// The error for a response that does not exist, or not for this client. The message is OpenAI's.
  static func unknownResponse(_ id: String) -> APIError {
    APIError(status: 404, type: "invalid_request_error", "Response with id '\(id.clipped)' not found.")
  }

  static func unusable(_ trouble: Trouble?) -> APIError {
    APIError(
      status: 503, type: "server_error",
      "the proxy can't use its store of responses (\(trouble?.kind.rawValue ?? "unreadable")). Try again later.")
  }
}

extension Output {
  /// Refuses a request of the Responses API in OpenAI's form, which needs no translation.
  mutating func refuse(_ line: Line, inOpenAIsForm error: APIError) {
    var body = Bytes()
    body.append(#"{"error":{"message":"#)
    body.append(quoted: error.message)
    body.append(#","type":"#)
    body.append(quoted: error.type)
    body.append(#","param":"#)
    body.append(quotedOrNull: error.param)
    body.append(#","code":"#)
    body.append(quotedOrNull: error.code)
    body.append("}}")
    if line.isBare {
      bytes.append(body.slice, "\n")
    } else {
      var ctx = Bytes()
      ctx.append(object: line.ctx, setting: "translated") { $0.append(#""responses""#) }
      record(.error, of: line.rid, isBare: false, ctx: ctx.slice) {
        $0.append(#"{"status":"#)
        $0.append(decimal: error.status)
        $0.append(#","headers":{},"body":"#)
        $0.append(body.slice)
        $0.append("}")
      }
    }
    end(line.rid, isBare: line.isBare)
  }
}

extension Bytes {
  fileprivate mutating func append(quotedOrNull text: String?) {
    if let text { append(quoted: text) } else { append("null") }
  }
}
