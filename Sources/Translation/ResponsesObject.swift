// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// The response as an object: the whole answer, and a member of the first events and of the last.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/object>
extension ResponsesAnswer {
  func respond(with body: JSON, to out: inout Output) {
    let made = response(of: body, to: &out)
    keep(to: &out)
    out.record(.response, of: id) { $0.append(made.slice) }
  }

  private func response(of body: JSON, to out: inout Output) -> Bytes {
    var made = Bytes()
    if operation == .countTokens {
      made.append(#"{"object":"response.input_tokens","input_tokens":"#)
      made.append(body["input_tokens"] ?? JSON(0))
      made.append("}")
      return made
    }
    let tail = Self.tail(ofID: body["id"]?.string)
    messageID = tail.isEmpty ? ownTail : tail
    model = askedModel ?? body["model"]?.string ?? ""
    hasBegun = true
    note(usage: body["usage"])
    noteOwn(body)
    stopReason = body["stop_reason"]?.string
    for block in body["content"]?.elements.map({ $0 }) ?? [] {
      open(block, at: nil, to: &out)
      if let block = blocks.end(nil) { end(block, to: &out) }
    }
    let status = complete(to: &out)
    var object = Bytes()
    appendResponse(status: status, to: &object)
    // Without the name that it has in events.
    made.append(object.slice.cut(#","response":"#.utf8.count, object.count))
    return made
  }

  /// Appends the response as a member of an event.
  func appendResponse(status: ResponseStatus, error: JSON = .null, to bytes: inout Bytes) {
    let isInProgress = status == .inProgress
    bytes.append(#","response":{"id":"#)
    bytes.append(quoted: "resp_" + messageID)
    bytes.append(#","object":"response","created_at":"#)
    bytes.append(decimal: created)
    bytes.append(#","status":""#)
    bytes.append(text: status.rawValue)
    // Nothing in the pipe knows the time of the end.
    bytes.append(#"","completed_at":null,"error":"#)
    bytes.append(error)
    bytes.append(#","incomplete_details":"#)
    if let incompleteReason, status == .incomplete {
      bytes.append(#"{"reason":""#)
      bytes.append(incompleteReason)
      bytes.append("\"}")
    } else {
      bytes.append("null")
    }
    bytes.append(#","model":"#)
    bytes.append(quoted: model)
    bytes.append(#","output":["#)
    var isFirst = true
    for item in items where !isInProgress && !item.done.isEmpty {
      if !isFirst { bytes.append(",") }
      isFirst = false
      bytes.append(item.done.slice)
    }
    bytes.append(#"],"usage":"#)
    bytes.append(isInProgress || usage.count == 0 ? .null : TokenUsage(usage).ofResponse)
    note.appendEcho(to: &bytes)
    if !isInProgress {
      for (name, value) in own.members where name != "input_transformations" {
        bytes.append(",")
        bytes.append(quoted: name)
        bytes.append(":")
        bytes.append(value)
      }
    }
    bytes.append("}")
  }
}
