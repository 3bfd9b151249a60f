// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// A request as it goes to a CLI process: frames for its stdin and, by ``Carrier/native``, a transcript.
package struct Freight: ~Copyable {
  /// Empty where the carrier has none.
  package var transcript = Bytes()
  /// The id of the transcript's last line.
  package var last = ""
  package var frames: Bytes
  /// Where the frames must wait until the CLI is done with the user frame of that id.
  package var pauses: [(id: String, at: Int)] = []
  package var losses: [Loss]
  /// The id of the settings frame: what the CLI prints before its answer to that is of an earlier request.
  package let settingsID: String

  package init(_ request: MessagesRequest, carrier: Carrier, auth: Auth, makeID: () -> String) {
    switch (carrier, auth) {
    case (.verbatim, .key): self.init(verbatim: request, makeID: makeID)
    case (.replay, _): self.init(replay: request, auth: auth, makeID: makeID)
    // Whatever may go wrong elsewhere: what a login sends is the CLI's own affair.
    case (.native, _), (.verbatim, .login): self.init(native: request, auth: auth, makeID: makeID)
    }
  }

  private init(verbatim request: MessagesRequest, makeID: () -> String) {
    settingsID = makeID()
    var head = Bytes(capacity: request.size * 9 / 8 + 1024)
    head.append(settingsBeforeBody: settingsID, model: request.model.text)
    // Straight into the frame: a large request stands nowhere else then.
    var body = ExtraBody(verbatim: request, quotedIn: head)
    losses = request.losses + body.losses
    frames = body.take()
    frames.append(settingsAfterBody: true)
    frames.append(boundary: makeID())
    // The text stands for nothing: the request's messages take its place.
    frames.append(#"{"type":"user","message":{"role":"user","content":"."},"parent_tool_use_id":null,"#)
    frames.append(#""session_id":"","client_composed":true,"uuid":"#)
    frames.append(quoted: makeID())
    frames.append("}\n")
  }

  private init(replay request: MessagesRequest, auth: Auth, makeID: () -> String) {
    let isEstimate = request.isCount && !request.isCountable
    let conversation = isEstimate ? Conversation(estimating: request) : Conversation(request)
    var body = ExtraBody(request, auth: auth)
    losses = request.losses + conversation.losses + body.losses
    if request.isCount, !conversation.system.isEmpty { losses.append(Loss("system", "counted as a message")) }
    settingsID = makeID()
    frames = Bytes(capacity: 4096)
    frames.append(
      settings: settingsID, model: request.model.text, body: body.take(),
      disableCaching: Self.disablesCaching(request, auth))
    if !conversation.system.isEmpty {
      frames.append(system: conversation.system, model: request.model.text, id: makeID())
    }
    // Behind the model's name: else the CLI notes the change of it in the conversation.
    frames.append(boundary: makeID())
    for (index, turn) in conversation.turns.enumerated() {
      let id = makeID()
      let isAsked = index == conversation.turns.count - 1 && !request.isCount
      frames.append(turn.isUser ? #"{"type":"user","# : #"{"type":"assistant","#)
      frames.append(message: turn, model: request.model, id: id)
      frames.append(#","parent_tool_use_id":null,"session_id":"","uuid":"#)
      frames.append(quoted: id)
      if turn.isUser {
        frames.append(isAsked ? #","client_composed":true"# : #","client_composed":true,"shouldQuery":false"#)
      }
      frames.append("}\n")
      // What the assistant said would overtake it: the CLI takes that at once, and puts a user's frame in line.
      if turn.isUser, !isAsked { pauses.append((id, frames.count)) }
    }
    if request.isCount { TokenCount.append(to: &frames) }
  }

  private static func disablesCaching(_ request: MessagesRequest, _ auth: Auth) -> Bool {
    // With a key the body goes out as the client wrote it. Under a login the CLI's caching spares the plan, but its
    // marks together with the client's would be more than the API takes.
    auth == .key || request.hasCacheMarks
  }

  private init(native request: MessagesRequest, auth: Auth, makeID: () -> String) {
    let conversation = Conversation(request)
    var transcript = Transcript(conversation, model: request.model, makeID: makeID)
    var body = ExtraBody(request, auth: auth)
    settingsID = "settings"
    last = transcript.last
    losses = request.losses + conversation.losses + body.losses
    if auth == .login, let prefill = conversation.prefill {
      // Seen: they go out as a user turn behind it.
      losses.append(Loss("messages[\(prefill)]", "followed by the CLI's reminders"))
    }
    frames = Self.frames(
      model: request.model.text, system: conversation.system, body: body.take(),
      disableCaching: Self.disablesCaching(request, auth))
    self.transcript = transcript.take()
  }

  private static func frames(
    model: String, system: [String], body: consuming Bytes, disableCaching: Bool
  ) -> Bytes {
    var frames = Bytes(capacity: body.count * 2 + 1024)
    frames.append(initialize: system)
    frames.append(settings: "settings", model: model, body: body, disableCaching: disableCaching)
    // Empty content: the conversation stands in the transcript, the last message included.
    frames.append(#"{"type":"user","message":{"role":"user","content":[]},"parent_tool_use_id":null,"#)
    frames.append(#""session_id":"","client_composed":true}"#)
    frames.append("\n")
    return frames
  }
}

extension Bytes {
  /// Appends the first frame that a process gets.
  mutating func append(initialize system: [String]) {
    append(#"{"type":"control_request","request_id":"initialize","request":{"subtype":"initialize","systemPrompt":["#)
    if !system.isEmpty { append(quoted: system.joined(separator: "\n\n")) }
    append("]}}\n")
  }

  /// Appends the frame that makes the CLI forget the turns of earlier requests.
  fileprivate mutating func append(boundary id: String) {
    append(#"{"type":"system","subtype":"compact_boundary","compact_metadata":{"trigger":"manual","#)
    append(#""pre_tokens":0},"uuid":"#)
    append(quoted: id)
    append(#","session_id":""}"#)
    append("\n")
  }

  /// Appends the frame that sets the system text, which holds until another takes its place: the CLI takes no empty one.
  fileprivate mutating func append(system: [String], model: String, id: String) {
    append(#"{"type":"control_request","request_id":"#)
    append(quoted: id)
    append(#","request":{"subtype":"set_model","model":"#)
    append(quoted: model)
    append(#","only_if_model_is_current":true,"system_prompt":"#)
    append(quoted: system.joined(separator: "\n\n"))
    append("}}\n")
  }

  /// Appends the frame that sets what a request needs: all of it each time, because settings merge.
  fileprivate mutating func append(settings id: String, model: String, body: consuming Bytes, disableCaching: Bool) {
    append(settingsBeforeBody: id, model: model)
    append(escaped: body.slice)
    append(settingsAfterBody: disableCaching)
  }

  fileprivate mutating func append(settingsBeforeBody id: String, model: String) {
    append(#"{"type":"control_request","request_id":"#)
    append(quoted: id)
    append(#","request":{"subtype":"apply_flag_settings","settings":{"model":"#)
    append(quoted: model)
    append(#","env":{""#)
    append(text: Contract.extraBody)
    append(#"":""#)
  }

  fileprivate mutating func append(settingsAfterBody disableCaching: Bool) {
    append(#"",""#)
    append(text: Contract.disableCaching)
    append(disableCaching ? #"":"1",""# : #"":"",""#)
    append(text: Contract.customHeaders)
    append(#"":""}}}}"#)
    append("\n")
  }
}

/// The members of a request that the CLI spreads over the body it makes.
package struct ExtraBody: ~Copyable {
  private var bytes: Bytes
  /// It is the inside of a JSON string, where it needs escapes.
  private let isQuoted: Bool
  private var hasMember = false
  package private(set) var losses: [Loss] = []

  package init(_ request: MessagesRequest, auth: Auth) {
    bytes = Bytes()
    isQuoted = false
    bytes.append("{")
    for (key, value) in request.body.members {
      switch key {
      case "model", "messages", "system", "stream": continue
      case _ where Contract.carried.contains(key), _ where auth == .key && Contract.carriedWithKey.contains(key):
        begin(key)
        bytes.append(value)
      // Null asks for nothing, so that leaving it out is exact.
      default: if !value.isNull { losses.append(Loss(key, "dropped")) }
      }
    }
    finish(request)
  }

  /// The whole request, its values as the client wrote them.
  package init(verbatim request: MessagesRequest) {
    self.init(verbatim: request, after: Bytes(), isQuoted: false)
  }

  /// The same as the inside of a JSON string that has begun.
  init(verbatim request: MessagesRequest, quotedIn text: consuming Bytes) {
    self.init(verbatim: request, after: text, isQuoted: true)
  }

  private init(verbatim request: MessagesRequest, after text: consuming Bytes, isQuoted: Bool) {
    bytes = text
    self.isQuoted = isQuoted
    bytes.append("{")
    request.members { key, value in
      switch key {
      case "model", "stream": return
      case _ where Contract.carried.contains(key), _ where Contract.carriedWithKey.contains(key),
        _ where Contract.carriedVerbatim.contains(key):
        begin(key)
        append(value)
      default: if !value.equals("null") { losses.append(Loss(key, "dropped")) }
      }
    }
    for (key, value) in Contract.emptyVerbatim where request.body[key] == nil {
      begin(key.description)
      append(value)
    }
    if request.wantsCaching, !request.hasCacheMarks {
      begin("cache_control")
      append(#"{"type":"ephemeral"}"#)
    }
    finish(request)
  }

  private mutating func begin(_ key: String) {
    if hasMember { bytes.append(",") }
    hasMember = true
    var name = Bytes()
    name.append(quoted: key)
    append(name.slice)
    bytes.append(":")
  }

  private mutating func append(_ value: ByteSlice) {
    if isQuoted { bytes.append(escaped: value) } else { bytes.append(value) }
  }

  private mutating func append(_ value: StaticString) {
    append(ByteSlice(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  private mutating func finish(_ request: MessagesRequest) {
    if let thinking = request.thinkingByDefault {
      begin("thinking")
      append(thinking)
    }
    bytes.append("}")
  }

  /// Hands over the JSON object, after the text that it was put behind.
  package mutating func take() -> Bytes { bytes.take() }
}
