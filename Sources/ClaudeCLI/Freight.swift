// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// A request as it goes to one CLI process by its native conversation: a transcript, and frames for its stdin.
package struct Freight: ~Copyable {
  package var transcript: Bytes
  /// The id of the transcript's last line.
  package var last: String
  package var frames: Bytes
  package var losses: [Loss]

  package init(_ request: MessagesRequest, auth: Auth, makeID: @escaping () -> String) {
    var conversation = Transcript(request, makeID: makeID)
    var body = ExtraBody(request, auth: auth)
    last = conversation.last
    losses = request.losses + conversation.losses + body.losses
    if auth == .login, let prefill = conversation.prefill {
      // Seen: they go out as a user turn behind it.
      losses.append(Loss("messages[\(prefill)]", "followed by the CLI's reminders"))
    }
    frames = Self.frames(
      model: request.model.text, system: conversation.system, body: body.take(),
      // With a key the body goes out as the client wrote it. Under a login the CLI's caching spares the plan, but
      // its marks together with the client's would be more than the API takes.
      disableCaching: auth == .key || request.hasCacheMarks)
    transcript = conversation.take()
  }

  private static func frames(
    model: String, system: [String], body: consuming Bytes, disableCaching: Bool
  ) -> Bytes {
    var frames = Bytes(capacity: body.count * 2 + 1024)
    frames.append(#"{"type":"control_request","request_id":"initialize","request":{"subtype":"initialize","#)
    frames.append(#""systemPrompt":["#)
    if !system.isEmpty { frames.append(quoted: system.joined(separator: "\n\n")) }
    frames.append("]}}\n")
    frames.append(#"{"type":"control_request","request_id":"settings","request":{"subtype":"apply_flag_settings","#)
    frames.append(#""settings":{"model":"#)
    frames.append(quoted: model)
    frames.append(#","env":{""#)
    frames.append(text: Contract.extraBody)
    frames.append(#"":"#)
    frames.append(quoted: body.slice)
    frames.append(#",""#)
    frames.append(text: Contract.disableCaching)
    frames.append(disableCaching ? #"":"1"}}}}"# : #"":""}}}}"#)
    frames.append("\n")
    // Empty content: the conversation stands in the transcript, the last message included.
    frames.append(#"{"type":"user","message":{"role":"user","content":[]},"parent_tool_use_id":null,"#)
    frames.append(#""session_id":"","client_composed":true}"#)
    frames.append("\n")
    return frames
  }
}

/// The members of a request that the CLI spreads over the body it makes.
package struct ExtraBody: ~Copyable {
  private var bytes = Bytes()
  package private(set) var losses: [Loss] = []

  package init(_ request: MessagesRequest, auth: Auth) {
    bytes.append("{")
    for (key, value) in request.body.members {
      switch key {
      case "model", "messages", "system", "stream": continue
      case _ where Contract.carried.contains(key), _ where auth == .key && Contract.carriedWithKey.contains(key):
        if bytes.count > 1 { bytes.append(",") }
        bytes.append(quoted: key)
        bytes.append(":")
        bytes.append(value)
      default: losses.append(Loss(key, "dropped"))
      }
    }
    if request.hasTopPAlone, request.body["thinking"] == nil {
      // Stands for the variable that is left out then (``Contract/noThinking``).
      bytes.append(bytes.count > 1 ? "," : "")
      bytes.append(#""thinking":{"type":"disabled"}"#)
    }
    bytes.append("}")
  }

  /// Hands over the JSON object.
  package mutating func take() -> Bytes { bytes.take() }
}
