// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Models
import Records

/// One answer on its way to an OpenAI client, from `begin` to `end`.
final class ChatAnswer {
  let isBare: Bool
  private let rid: String
  private let operation: Records.Operation
  /// The model as the client asked for it; nil means the answer's own name for it.
  private let askedModel: String?
  private let created: Int
  private let includeUsage: Bool
  var loss = LossLedger()
  /// Its `error` has been written; only `end` may follow.
  var hasFailed = false

  // What a stream has shown so far.
  private var id = ""
  private var model = ""
  private var usage = JSON.object
  private var stopReason: String?
  private let own = JSON.object
  private var tools = 0
  private var thoughts = 0
  private var block = Block.none
  /// A record up to its delta, and behind it: the same for every chunk.
  private var chunkHead = Bytes()
  private var chunkTail = Bytes()

  /// The content block that is open.
  private enum Block {
    case none
    case text
    case thinking(text: String, signature: String)
    case redacted(JSON)
    case tool(index: Int, hasFragment: Bool)
    /// One that a chat answer has no place for.
    case other
  }

  init(_ line: Line, _ defaults: MessagesToChat.Defaults) {
    isBare = line.isBare
    rid = line.rid.text
    operation = Records.Operation(of: line.ctx)
    let ctx = line.ctx
    // Without a tree of all the rest.
    func value(_ name: StaticString, in group: StaticString) -> JSON? {
      guard let ctx, let group = Scan.member(group, of: ctx), let value = Scan.member(name, of: group) else {
        return nil
      }
      return try? JSON.parse(value)
    }
    askedModel = value("asked", in: "model")?.string
    created = value("time", in: "http")?.integer.map { $0 / 1_000_000 } ?? defaults.created
    includeUsage = value("include_usage", in: "oai2anth")?.bool ?? defaults.includeUsage
  }

  // MARK: The whole answer

  /// Whether the whole answer is of a kind that OpenAI has another form for.
  var isTranslated: Bool {
    switch operation {
    case .messages, .models, .model: true
    case .countTokens, .health: false
    }
  }

  func response(_ body: JSON) -> JSON {
    switch operation {
    case .models: ModelList.list(body)
    case .model: ModelList.entry(body)
    default: completion(of: body)
    }
  }

  private func completion(of message: JSON) -> JSON {
    var text: String?
    var calls: [JSON] = []
    var reasoning = ""
    var thinking: [JSON] = []
    for block in message["content"]?.elements.map({ $0 }) ?? [] {
      switch block["type"]?.string {
      case "text":
        text = (text ?? "") + (block["text"]?.string ?? "")
        if let citations = block["citations"], citations.count > 0 { loss.dropped("content.citations") }
      case "tool_use":
        calls.append(Self.call(block))
      case "thinking":
        reasoning += block["thinking"]?.string ?? ""
        thinking.append(block)
      case "redacted_thinking": thinking.append(block)
      case let type:
        if let words = block["text"]?.string { text = (text ?? "") + words }
        loss.dropped("content." + Self.name(type))
      }
    }
    let answer = JSON(object: [
      "role": JSON("assistant"), "content": text.map { JSON($0) } ?? (calls.isEmpty ? JSON("") : .null),
      "refusal": Self.refusal(of: message),
      "reasoning_content": reasoning.isEmpty ? nil : JSON(reasoning),
      "thinking_blocks": thinking.isEmpty ? nil : JSON(array: thinking),
      "tool_calls": calls.isEmpty ? nil : JSON(array: calls),
    ])
    let made = JSON(object: [
      "id": JSON(Self.id(of: message["id"]?.string)), "object": JSON("chat.completion"), "created": JSON(created),
      "model": askedModel.map { JSON($0) } ?? message["model"] ?? JSON(""),
      "choices": JSON(array: [
        JSON(object: [
          "index": JSON(0), "message": answer, "logprobs": .null,
          "finish_reason": JSON(Self.finishReason(message["stop_reason"]?.string)),
        ])
      ]),
      "usage": ChatUsage.usage(of: message["usage"] ?? .object),
    ])
    for name in Self.ownMembers { if let value = message[name], !value.isNull { made[name] = value } }
    return made
  }

  /// Anthropic's own members of a message, which keep their names: what follows needs some (the container), and
  /// a client that doesn't know them passes them over.
  private static let ownMembers = [
    "container", "context_management", "diagnostics", "input_transformations", "stop_details", "stop_sequence",
  ]

  private static func call(_ block: JSON) -> JSON {
    let made = JSON(object: [
      "id": block["id"] ?? JSON(""), "type": JSON("function"),
      "function": JSON(object: [
        "name": block["name"] ?? JSON(""), "arguments": JSON((block["input"] ?? .object).text),
      ]),
    ])
    // Of these two the API wants back what it gave.
    for name in ToolCallMembers.own { if let value = block[name], !value.isNull { made[name] = value } }
    return made
  }

  /// A type's name as far as it is fit for a log.
  private static func name(_ type: String?) -> String {
    let name = (type ?? "").prefix(40)
    return !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
      ? String(name) : "unknown"
  }

  private static func id(of message: String?) -> String {
    let message = message ?? ""
    return "chatcmpl-" + (message.hasPrefix("msg_") ? String(message.dropFirst(4)) : message)
  }

  /// - SeeAlso: <https://docs.anthropic.com/en/api/handling-stop-reasons>
  static func finishReason(_ stopReason: String?) -> String {
    switch stopReason {
    case "max_tokens", "model_context_window_exceeded": "length"
    case "tool_use": "tool_calls"
    case "refusal": "content_filter"
    default: "stop"
    }
  }

  /// What the model says of its refusal, where it refused and says it.
  private static func refusal(of message: JSON) -> JSON {
    guard message["stop_reason"]?.equals("refusal") == true else { return .null }
    return message["stop_details"]?["explanation"] ?? .null
  }

  // MARK: The stream

  /// The path of nearly every event: the text goes from one record to the other as the bytes it is, escapes and all.
  ///
  /// Returns false for everything that isn't a text delta in its usual form, or that says nothing.
  func takeTextDelta(_ event: ByteSlice, to out: inout Output) -> Bool {
    guard event.starts(with: #"{"type":"content_block_delta","index":"#), !chunkHead.isEmpty else { return false }
    var at = 38
    while at < event.count, event[at] >= UInt8(ascii: "0"), event[at] <= UInt8(ascii: "9") { at += 1 }
    let start: StaticString = #","delta":{"type":"text_delta","text":"#
    guard event.starts(with: start, at: at) else { return false }
    at += start.utf8CodeUnitCount
    guard at < event.count, event[at] == UInt8(ascii: "\""), let end = Scan.endOfString(event, at), end > at + 2,
      event.count == end + 2, event.starts(with: "}}", at: end)
    else { return false }
    out.bytes.append(chunkHead.slice)
    out.bytes.append(#"{"content":"#)
    out.bytes.append(event.cut(at, end))
    out.bytes.append("}")
    out.bytes.append(chunkTail.slice)
    return true
  }

  func take(event: JSON, to out: inout Output) throws(APIError) {
    switch event["type"]?.string {
    case "message_start":
      let message = event["message"] ?? .object
      id = Self.id(of: message["id"]?.string)
      model = askedModel ?? message["model"]?.string ?? ""
      note(usage: message["usage"])
      noteOwn(message)
      makeChunkEnds()
      chunk(JSON(object: ["role": JSON("assistant"), "content": JSON("")]), to: &out)
    case "content_block_start": try startBlock(event["content_block"] ?? .object, to: &out)
    case "content_block_delta": takeDelta(event["delta"] ?? .object, to: &out)
    case "content_block_stop": stopBlock(to: &out)
    case "message_delta":
      note(usage: event["usage"])
      noteOwn(event)
      noteOwn(event["delta"] ?? .object)
      stopReason = event["delta"]?["stop_reason"]?.string ?? stopReason
      finishChunk(refusal: Self.refusal(of: event["delta"] ?? .object), to: &out)
    case "message_stop":
      if includeUsage { usageChunk(to: &out) }
      write(to: &out) { $0.append("\"[DONE]\"") }
    default:
      // Pings, and what later versions of the API may say: nothing a chat client knows.
      break
    }
  }

  /// Usage is reported twice, each time as the sum so far: the last value of each member holds.
  private func note(usage report: JSON?) {
    guard let report else { return }
    for (name, value) in report.members where !value.isNull { usage[name] = value }
  }

  private func noteOwn(_ report: JSON) {
    for name in Self.ownMembers { if let value = report[name], !value.isNull { own[name] = value } }
  }

  private func startBlock(_ content: JSON, to out: inout Output) throws(APIError) {
    switch content["type"]?.string {
    case "text":
      block = .text
      say(content["text"], to: &out)
      if let citations = content["citations"], citations.count > 0 { loss.dropped("content.citations") }
    case "thinking":
      block = .thinking(text: content["thinking"]?.string ?? "", signature: content["signature"]?.string ?? "")
    case "redacted_thinking": block = .redacted(content)
    case "tool_use":
      block = .tool(index: tools, hasFragment: false)
      let call = Self.call(content)
      let index = JSON(tools)
      tools += 1
      // The input at the start is a placeholder; the fragments say all of it.
      let input = content["input"]
      call["function"]!["arguments"] = JSON("")
      let made = JSON(object: ["index": index])
      for (name, value) in call.members { made[name] = value }
      chunk(JSON(object: ["tool_calls": JSON(array: [made])]), to: &out)
      if let input, input.count > 0 { fragment(JSON(input.text), to: &out) }
    case let type:
      block = .other
      say(content["text"], to: &out)
      loss.dropped("content." + Self.name(type))
    }
  }

  private func takeDelta(_ delta: JSON, to out: inout Output) {
    switch delta["type"]?.string {
    case "text_delta": say(delta["text"], to: &out)
    case "input_json_delta":
      // Fragments of server tools belong to no call of the client's.
      if case .tool = block, let part = delta["partial_json"], part.isString, part != JSON("") {
        fragment(part, to: &out)
      }
    case "thinking_delta":
      guard let words = delta["thinking"], let text = words.string, !text.isEmpty else { return }
      if case .thinking(let before, let signature) = block {
        block = .thinking(text: before + text, signature: signature)
      }
      chunk(JSON(object: ["reasoning_content": words]), to: &out)
    case "signature_delta":
      if case .thinking(let text, let before) = block {
        block = .thinking(text: text, signature: before + (delta["signature"]?.string ?? ""))
      }
    case "citations_delta": loss.dropped("content.citations")
    case let type:
      say(delta["text"], to: &out)
      loss.dropped("content_block_delta." + Self.name(type))
    }
  }

  private func fragment(_ part: JSON, to out: inout Output) {
    guard case .tool(let index, _) = block else { return }
    block = .tool(index: index, hasFragment: true)
    let call = JSON(object: ["index": JSON(index), "function": JSON(object: ["arguments": part])])
    chunk(JSON(object: ["tool_calls": JSON(array: [call])]), to: &out)
  }

  private func stopBlock(to out: inout Output) {
    switch block {
    case .tool(_, hasFragment: false): fragment(JSON("{}"), to: &out)
    case .thinking(let text, let signature) where !signature.isEmpty:
      think(
        JSON(object: ["type": JSON("thinking"), "thinking": JSON(text), "signature": JSON(signature)]), to: &out)
    case .redacted(let content): think(content, to: &out)
    default: break
    }
    block = .none
  }

  /// OpenAI's own accumulator wants an index in each element of a list that comes in parts.
  private func think(_ content: JSON, to out: inout Output) {
    let made = JSON(object: ["index": JSON(thoughts)])
    for (name, value) in content.members { made[name] = value }
    thoughts += 1
    chunk(JSON(object: ["thinking_blocks": JSON(array: [made])]), to: &out)
  }

  private func say(_ text: JSON?, to out: inout Output) {
    guard let text, text.isString, text != JSON("") else { return }
    chunk(JSON(object: ["content": text]), to: &out)
  }

  // MARK: Chunks

  private func makeChunkEnds() {
    chunkHead.removeAll()
    if !isBare {
      chunkHead.append(#"{"rid":""#)
      chunkHead.append(text: rid)
      chunkHead.append(#"","event":"#)
    }
    appendHead(to: &chunkHead)
    chunkHead.append(#"[{"index":0,"delta":"#)
    chunkTail.removeAll()
    chunkTail.append(#","logprobs":null,"finish_reason":null}]"#)
    if includeUsage { chunkTail.append(#","usage":null"#) }
    chunkTail.append(isBare ? "}\n" : "}}\n")
  }

  /// A chunk up to its choices.
  private func appendHead(to bytes: inout Bytes) {
    bytes.append(#"{"id":"#)
    bytes.append(quoted: id)
    bytes.append(#","object":"chat.completion.chunk","created":"#)
    bytes.append(decimal: created)
    bytes.append(#","model":"#)
    bytes.append(quoted: model)
    bytes.append(#","choices":"#)
  }

  private func chunk(_ delta: JSON, to out: inout Output) {
    if chunkHead.isEmpty { makeChunkEnds() }
    out.bytes.append(chunkHead.slice)
    out.bytes.append(delta)
    out.bytes.append(chunkTail.slice)
  }

  private func write(to out: inout Output, _ payload: (inout Bytes) -> Void) {
    out.record(.event, of: RequestID(text: rid, isBare: isBare), payload)
  }

  private func finishChunk(refusal: JSON, to out: inout Output) {
    write(to: &out) {
      appendHead(to: &$0)
      $0.append(#"[{"index":0,"delta":"#)
      $0.append(refusal.isNull ? .object : JSON(object: ["refusal": refusal]))
      $0.append(#","logprobs":null,"finish_reason":"#)
      $0.append(quoted: Self.finishReason(stopReason))
      $0.append("}]")
      if includeUsage { $0.append(#","usage":null"#) }
      for (name, value) in own.members {
        $0.append(",")
        $0.append(quoted: name)
        $0.append(":")
        $0.append(value)
      }
      $0.append("}")
    }
  }

  private func usageChunk(to out: inout Output) {
    write(to: &out) {
      appendHead(to: &$0)
      $0.append(#"[],"usage":"#)
      $0.append(ChatUsage.usage(of: usage))
      $0.append("}")
    }
  }
}
