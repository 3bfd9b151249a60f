// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Models
import Records

/// One answer on its way to an OpenAI client, from `begin` to `end`.
final class ChatAnswer {
  let isBare: Bool
  private let rid: String
  let operation: Records.Operation
  /// The model as the client asked for it; nil means the answer's own name for it.
  let askedModel: String?
  let created: Int
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
  private var blocks = StreamedBlocks()
  let clientTools: ClientTools
  /// A record up to its delta, and behind it: the same for every chunk.
  private var chunkHead = Bytes()
  private var chunkTail = Bytes()

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
    clientTools = ClientTools(value("tools", in: "oai2anth"))
  }

  // MARK: The stream

  /// The path of nearly every event: the text goes from one record to the other as the bytes it is, escapes and all.
  ///
  /// Returns false for everything that isn't a text delta in its usual form, that says nothing, or that has to wait or
  /// to be mended.
  func takeTextDelta(_ event: ByteSlice, to out: inout Output) -> Bool {
    guard event.starts(with: #"{"type":"content_block_delta","index":"#), !chunkHead.isEmpty, !blocks.text.isShared
    else { return false }
    var at = 38
    while at < event.count, event[at] >= UInt8(ascii: "0"), event[at] <= UInt8(ascii: "9") { at += 1 }
    let start: StaticString = #","delta":{"type":"text_delta","text":"#
    guard event.starts(with: start, at: at) else { return false }
    at += start.utf8CodeUnitCount
    guard at < event.count, event[at] == UInt8(ascii: "\""), let end = Scan.endOfSoundString(event, at), end > at + 2,
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
    case "content_block_start":
      startBlock(event["content_block"] ?? .object, at: StreamedBlocks.index(of: event), to: &out)
    case "content_block_delta":
      try takeDelta(event["delta"] ?? .object, at: StreamedBlocks.index(of: event), to: &out)
    case "content_block_stop":
      if let block = blocks.end(StreamedBlocks.index(of: event)) { end(block, to: &out) }
    case "message_delta":
      for block in blocks.endAll() { end(block, to: &out) }
      note(usage: event["usage"])
      noteOwn(event)
      noteOwn(event["delta"] ?? .object)
      stopReason = event["delta"]?["stop_reason"]?.string ?? stopReason
      finishChunk(refusal: Self.refusal(of: event["delta"] ?? .object), to: &out)
    case "message_stop":
      for block in blocks.endAll() { end(block, to: &out) }
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

  private func startBlock(_ content: JSON, at index: Int?, to out: inout Output) {
    // One that has had no stop is over when another one begins at its index.
    if index != nil, let earlier = blocks.end(index) { end(earlier, to: &out) }
    let type = content["type"]?.string
    switch type {
    case "text":
      let block = blocks.open(.text, content, at: index)
      say(content["text"], of: block, to: &out)
      if let citations = content["citations"], citations.count > 0 { loss.dropped("content.citations") }
    case "thinking":
      let block = blocks.open(.thinking, content, at: index)
      think(content["thinking"], of: block, to: &out)
    case "redacted_thinking": _ = blocks.open(.redacted, content, at: index)
    case "tool_use":
      let block = blocks.open(.tool(call: tools), content, at: index)
      block.input = clientTools.input(of: content)
      let made = JSON(object: ["index": JSON(tools)])
      // The input that stands here is a placeholder, unless nothing follows.
      for (name, value) in clientTools.call(content, isWhole: false).members { made[name] = value }
      tools += 1
      chunk(JSON(object: ["tool_calls": JSON(array: [made])]), to: &out)
    default:
      let block = blocks.open(.other, content, at: index)
      say(content["text"], of: block, to: &out)
      loss.dropped("content." + Self.name(type))
    }
  }

  /// Takes one part of a block.
  ///
  /// Words of a block that never began are shown all the same. A tool's input is not: the client would run the tool
  /// without it.
  private func takeDelta(_ delta: JSON, at index: Int?, to out: inout Output) throws(APIError) {
    let block = blocks.find(index)
    switch delta["type"]?.string {
    case "text_delta": say(delta["text"], of: block, to: &out)
    case "input_json_delta":
      guard let part = delta["partial_json"], part.isString, part != JSON("") else { return }
      switch block?.kind {
      case .tool(let call): fragment(part, of: block!, call: call, to: &out)
      // Parts of server tools belong to no call of the client's; the ledger names them since their start.
      case .other: break
      case .text, .thinking, .redacted: loss.dropped("content_block_delta.input_json_delta")
      case nil:
        let place = index.map { " at index \($0)" } ?? ""
        throw APIError(status: 502, "the backend sent input for a tool\(place), where no block is open")
      }
    case "thinking_delta": think(delta["thinking"], of: block, to: &out)
    case "signature_delta":
      // The vendor's own libraries take the last one for the whole signature.
      if let signature = delta["signature"], let block, case .thinking = block.kind {
        block.signature = signature
      } else {
        loss.dropped("content_block_delta.signature_delta")
      }
    case "citations_delta": loss.dropped("content.citations")
    case let type:
      say(delta["text"], of: block, to: &out)
      loss.dropped("content_block_delta." + Self.name(type))
    }
  }

  // MARK: The parts of blocks

  private func say(_ text: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let text, text.isString, text != JSON("") else { return }
    if let block, block.isText, blocks.text.first !== block { return block.text.append(contentsOf: text) }
    chunk(JSON(object: ["content": text]), to: &out)
  }

  private func think(_ words: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let words, words.isString, words != JSON("") else { return }
    if let block, case .thinking = block.kind {
      block.text.append(contentsOf: words)
      guard blocks.thoughts.first === block else { return }
      block.shown = block.text.count
    }
    chunk(JSON(object: ["reasoning_content": words]), to: &out)
  }

  private func fragment(_ part: JSON, of block: StreamedBlock, call: Int, to out: inout Output) {
    block.hasFragment = true
    var mended = Bytes()
    _ = part.withUTF8 { block.mender.append($0, to: &mended) }
    show(input: mended, of: block, call: call, isEnd: false, to: &out)
  }

  private func show(input: borrowing Bytes, of block: StreamedBlock, call: Int, isEnd: Bool, to out: inout Output) {
    guard let way = block.input else { return show(text: input, call, isCustom: false, to: &out) }
    var text = Bytes()
    way.feed(input.slice, to: &text)
    if isEnd { way.finish(to: &text) }
    show(text: text, call, isCustom: way.isCustom, to: &out)
  }

  private func show(text: borrowing Bytes, _ call: Int, isCustom: Bool, to out: inout Output) {
    guard !text.isEmpty else { return }
    let made = JSON(object: ["index": JSON(call)])
    let text = JSON(utf8: text.slice)
    // The vendor's own types lack this form of a chunk; its API and its accumulator have it.
    if isCustom {
      made["custom"] = JSON(object: ["input": text])
    } else {
      made["function"] = JSON(object: ["arguments": text])
    }
    chunk(JSON(object: ["tool_calls": JSON(array: [made])]), to: &out)
  }

  /// Shows what a block that is over still owes, and what waited for its end.
  private func end(_ block: StreamedBlock, to out: inout Output) {
    switch block.kind {
    case .tool(let call):
      var rest = Bytes()
      if block.hasFragment {
        block.mender.finish(to: &rest)
      } else {
        rest.append(block.content["input"] ?? .object)
      }
      show(input: rest, of: block, call: call, isEnd: true, to: &out)
    case .text, .other:
      while let first = blocks.text.first, first.isOver {
        blocks.text.removeFirst()
        if let next = blocks.text.first { showHeld(of: next, as: "content", to: &out) }
      }
    case .thinking, .redacted:
      while let first = blocks.thoughts.first, first.isOver {
        blocks.thoughts.removeFirst()
        showThought(first, to: &out)
        if let next = blocks.thoughts.first { showHeld(of: next, as: "reasoning_content", to: &out) }
      }
    }
  }

  private func showHeld(of block: StreamedBlock, as name: StaticString, to out: inout Output) {
    guard block.shown < block.text.count else { return }
    chunk(JSON(object: [name: JSON(utf8: block.text.slice.cut(block.shown, block.text.count))]), to: &out)
    block.shown = block.text.count
  }

  /// Shows a block of thinking as a whole, for the client to send back.
  ///
  /// OpenAI's own accumulator wants an index in each element of a list that comes in parts, and the first one first.
  private func showThought(_ block: StreamedBlock, to out: inout Output) {
    let made = JSON(object: ["index": JSON(thoughts)])
    for (name, value) in block.content.members { made[name] = value }
    if case .thinking = block.kind {
      made["thinking"] = JSON(utf8: block.text.slice)
      if let signature = block.signature { made["signature"] = signature }
    }
    thoughts += 1
    chunk(JSON(object: ["thinking_blocks": JSON(array: [made])]), to: &out)
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
