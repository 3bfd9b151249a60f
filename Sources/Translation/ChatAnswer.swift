// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

/// One chat completion on its way to the client, from `begin` to `end`.
final class ChatAnswer: AnswerState, TranslatedAnswer {
  typealias Defaults = MessagesToChat.Defaults

  static let dialect = Dialect.openai
  static let spentNote: StaticString? = nil
  static func body(of error: AnswerError) -> JSON { error.body }
  static func streamsErrors(of ctx: ByteSlice?, _ error: AnswerError) -> Bool { false }

  private let includeUsage: Bool
  private var tools = 0
  private var shownThoughts = 0
  /// Blocks of text, and blocks of thinking.
  private var text = Lane()
  private var thoughts = Lane()
  /// A record up to its delta, and behind it: the same for every chunk.
  private var chunkHead = Bytes()
  private var chunkTail = Bytes()

  init(_ line: Line, _ defaults: Defaults) {
    let note = line.ctx.flatMap { Scan.member("oai2anth", of: $0) }.flatMap { Scan.member("include_usage", of: $0) }
    includeUsage = note.flatMap { Bool($0.text) } ?? defaults.includeUsage
    super.init(line, note: "oai2anth", created: defaults.created)
  }

  // MARK: The stream

  func takeTextDelta(_ event: ByteSlice, to out: inout Output) -> Bool {
    // Text that has to wait takes the other way.
    guard !chunkHead.isEmpty, !text.isShared, let delta = Self.textDelta(event) else { return false }
    out.bytes.append(chunkHead.slice)
    out.bytes.append(#"{"content":"#)
    out.bytes.append(delta.text)
    out.bytes.append("}")
    out.bytes.append(chunkTail.slice)
    return true
  }

  func begin(_ message: JSON, to out: inout Output) {
    messageID = Self.id(of: message["id"]?.string)
    model = askedModel ?? message["model"]?.string ?? ""
    makeChunkEnds()
    chunk(JSON(object: ["role": JSON("assistant"), "content": JSON("")]), to: &out)
  }

  func end(_ delta: JSON, to out: inout Output) { finishChunk(refusal: Self.refusal(of: delta), to: &out) }

  func stop(to out: inout Output) {
    if includeUsage { usageChunk(to: &out) }
    write(to: &out) { $0.append("\"[DONE]\"") }
  }

  /// The official client raises an error of the stream by its form alone.
  func fail(with error: AnswerError, to out: inout Output) -> Bool { false }
  func fail(beforeItBegan error: AnswerError, to out: inout Output) {}
  func finish(isCancelled: Bool, to out: inout Output) {}

  func open(_ content: JSON, at index: Int?, to out: inout Output) {
    let type = content["type"]?.string
    switch type {
    case "text":
      let block = blocks.open(.text, content, at: index)
      text.append(block)
      say(content["text"], of: block, to: &out)
      if let citations = content["citations"], citations.count > 0 { loss.dropped("content.citations") }
    case "thinking":
      let block = blocks.open(.thinking, content, at: index)
      thoughts.append(block)
      think(content["thinking"], of: block, to: &out)
    case "redacted_thinking": thoughts.append(blocks.open(.redacted, content, at: index))
    case "tool_use":
      let block = blocks.open(.tool, content, at: index)
      block.call = tools
      block.input = clientTools.input(of: content)
      let made = JSON(object: ["index": JSON(tools)])
      for (name, value) in clientTools.call(content, isWhole: false).members { made[name] = value }
      tools += 1
      chunk(JSON(object: ["tool_calls": JSON(array: [made])]), to: &out)
    default:
      let block = blocks.open(.other, content, at: index)
      text.append(block)
      say(content["text"], of: block, to: &out)
      loss.dropped("content." + Self.name(type))
    }
  }

  func cite(_ citation: JSON, of block: StreamedBlock?) { loss.dropped("content.citations") }
  func takeOther(_ delta: JSON, of block: StreamedBlock?) -> Bool { false }

  // MARK: The parts of blocks

  func say(_ text: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let text, text.isString, text != JSON("") else { return }
    if let block, block.isText, self.text.first !== block { return block.text.append(contentsOf: text) }
    chunk(JSON(object: ["content": text]), to: &out)
  }

  func think(_ words: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let words, words.isString, words != JSON("") else { return }
    if let block, case .thinking = block.kind {
      block.text.append(contentsOf: words)
      guard thoughts.first === block else { return }
      block.shown = block.text.count
    }
    chunk(JSON(object: ["reasoning_content": words]), to: &out)
  }

  func feed(_ input: borrowing Bytes, of block: StreamedBlock, isEnd: Bool, to out: inout Output) {
    guard let way = block.input else { return show(text: input, block.call, isCustom: false, to: &out) }
    var text = Bytes()
    way.feed(input.slice, to: &text)
    if isEnd { way.finish(to: &text) }
    show(text: text, block.call, isCustom: way.isCustom, to: &out)
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

  func close(_ block: StreamedBlock, to out: inout Output) {
    switch block.kind {
    case .tool, .search, .compaction: break
    case .text, .other:
      while let first = text.first, first.isOver {
        text.removeFirst()
        if let next = text.first { showHeld(of: next, as: "content", to: &out) }
      }
    case .thinking, .redacted:
      while let first = thoughts.first, first.isOver {
        thoughts.removeFirst()
        showThought(first, to: &out)
        if let next = thoughts.first { showHeld(of: next, as: "reasoning_content", to: &out) }
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
    let made = JSON(object: ["index": JSON(shownThoughts)])
    for (name, value) in block.whole.members { made[name] = value }
    shownThoughts += 1
    chunk(JSON(object: ["thinking_blocks": JSON(array: [made])]), to: &out)
  }

  // MARK: Chunks

  private func makeChunkEnds() {
    chunkHead.removeAll()
    if !id.isBare {
      chunkHead.append(#"{"rid":""#)
      chunkHead.append(text: id.text)
      chunkHead.append(#"","event":"#)
    }
    appendHead(to: &chunkHead)
    chunkHead.append(#"[{"index":0,"delta":"#)
    chunkTail.removeAll()
    chunkTail.append(#","logprobs":null,"finish_reason":null}]"#)
    if includeUsage { chunkTail.append(#","usage":null"#) }
    chunkTail.append(id.isBare ? "}\n" : "}}\n")
  }

  /// A chunk up to its choices.
  private func appendHead(to bytes: inout Bytes) {
    bytes.append(#"{"id":"#)
    bytes.append(quoted: messageID)
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
    out.record(.event, of: id, payload)
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
      $0.append(TokenUsage(usage).ofCompletion)
      $0.append("}")
    }
  }
}
