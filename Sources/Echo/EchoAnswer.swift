// SPDX-License-Identifier: MIT
import Glibc
import Jansson
import JSONText
import Reactor
import Records

/// One answer: the events of its message, made one after another as they are asked for.
final class EchoAnswer {
  enum Block {
    case thinking(String), redacted, text, tool(name: String, input: String)
  }

  let id: RequestID
  let ctx: String?
  let script: EchoScript
  let isStream: Bool
  private let model: String
  private let words: Words
  private let inputTokens: Int
  private let blocks: [Block]
  var timer: Reactor.Timer?
  /// When its next step is due, by the reactor's clock in nanoseconds; 0 before the first one.
  var due: UInt64 = 0

  /// What the text is made of.
  private enum Words {
    case given([Substring])
    case counted(Int)

    var count: Int {
      switch self {
      case .given(let words): words.count
      case .counted(let count): count
      }
    }

    subscript(index: Int) -> String {
      switch self {
      case .given(let words): String(words[index])
      case .counted(let count): "word\(index)" + (index + 1 < count ? " " : "")
      }
    }
  }

  init(id: RequestID, ctx: String?, script: EchoScript, echo: String, request: JSON, inputTokens: Int) {
    self.id = id
    self.ctx = ctx
    self.script = script
    self.inputTokens = inputTokens
    isStream = request["stream"]?.bool == true
    model = request["model"]?.string ?? "claude-echo"
    if let count = script.words, script.say == nil {
      words = .counted(max(count, 0))
    } else {
      words = .given(Self.pieces(of: script.say ?? echo))
    }
    var blocks: [Block] = []
    if let thinking = script.thinking { blocks.append(.thinking(thinking)) }
    if script.isRedacted { blocks.append(.redacted) }
    if script.hasText { blocks.append(.text) }
    for (name, input) in script.tools { blocks.append(.tool(name: name, input: input)) }
    self.blocks = blocks
  }

  /// Words with the white space behind them.
  private static func pieces(of text: String) -> [Substring] {
    var pieces: [Substring] = []
    var start = text.startIndex
    var wasSpace = false
    for index in text.indices {
      let isSpace = text[index].isWhitespace
      if wasSpace, !isSpace {
        pieces.append(text[start..<index])
        start = index
      }
      wasSpace = isSpace
    }
    if start < text.endIndex { pieces.append(text[start...]) }
    return pieces
  }

  private func piece(_ index: Int) -> String {
    var text = words[index]
    if script.isStamped {
      let digits = String(Reactor.now)
      text = "@T" + String(repeating: "0", count: 19 - digits.count) + digits + "@" + text
    }
    let missing = script.pad - text.utf8.count
    return missing > 0 ? text + String(repeating: "x", count: missing) : text
  }

  private var messageID: String { "msg_echo_" + id.text }
  private func toolID(_ index: Int) -> String { "toolu_echo_" + id.text + "_\(index)" }
  private var stopReason: String { script.stop ?? (script.tools.isEmpty ? "end_turn" : "tool_use") }
  private var outputTokens: Int { words.count + 8 * script.tools.count }

  private func message(content: JSON, isWhole: Bool) -> JSON {
    let stop = stopReason
    return JSON(object: [
      "id": JSON(messageID), "type": JSON("message"), "role": JSON("assistant"), "model": JSON(model),
      "content": content, "stop_reason": isWhole ? JSON(stop) : .null,
      "stop_sequence": isWhole && stop == "stop_sequence" ? JSON("STOP") : .null,
      "usage": usage(isWhole ? outputTokens : 1),
    ])
  }

  func usage(_ output: Int) -> JSON {
    JSON(object: [
      "input_tokens": JSON(inputTokens), "cache_creation_input_tokens": JSON(0), "cache_read_input_tokens": JSON(0),
      "output_tokens": JSON(output),
    ])
  }

  /// The payload of `end`.
  var accounting: JSON { JSON(object: ["model": JSON(model), "usage": usage(outputTokens)]) }

  // MARK: Whole

  var whole: JSON {
    let content = JSON.array
    for (index, block) in blocks.enumerated() {
      switch block {
      case .thinking(let text):
        content.append(
          JSON(object: ["type": JSON("thinking"), "thinking": JSON(text), "signature": JSON(Self.signature)]))
      case .redacted:
        content.append(JSON(object: ["type": JSON("redacted_thinking"), "data": JSON(Self.signature)]))
      case .text:
        var text = ""
        for index in 0..<words.count { text += piece(index) }
        content.append(JSON(object: ["type": JSON("text"), "text": JSON(text)]))
      case .tool(let name, let input):
        content.append(
          JSON(object: [
            "type": JSON("tool_use"), "id": JSON(toolID(index)), "name": JSON(name),
            "input": (try? JSON.parse(input)) ?? .object,
          ]))
      }
    }
    return message(content: content, isWhole: true)
  }

  private static let signature = "ZWNoby1zaWduYXR1cmU="

  // MARK: In events

  private var blockIndex = -1
  private var pieceIndex = 0
  private(set) var isOver = false
  private(set) var hasSaidText = false

  /// The next events, up to and including one piece of content; nothing when the message is over.
  func next(to write: (JSON) -> Void) {
    if blockIndex < 0 {
      write(event("message_start", ["message": message(content: .array, isWhole: false)]))
      blockIndex = 0
      startBlock(to: write)
      return
    }
    guard blockIndex < blocks.count else { return finish(to: write) }
    delta(to: write)
    guard pieceIndex >= pieces(of: blocks[blockIndex]) else { return }
    write(event("content_block_stop", ["index": JSON(blockIndex)]))
    blockIndex += 1
    pieceIndex = 0
    startBlock(to: write)
    if blockIndex == blocks.count { finish(to: write) }
  }

  /// A text delta as bytes, when one is next: what a benchmark asks for by the million.
  func nextTextDelta(to bytes: inout Bytes) -> Bool {
    guard blockIndex >= 0, blockIndex < blocks.count, case .text = blocks[blockIndex], pieceIndex + 1 < words.count
    else { return false }
    bytes.append(#"{"type":"content_block_delta","index":"#)
    bytes.append(decimal: blockIndex)
    bytes.append(#","delta":{"type":"text_delta","text":"#)
    bytes.append(quoted: piece(pieceIndex))
    bytes.append("}}")
    pieceIndex += 1
    hasSaidText = true
    return true
  }

  private func finish(to write: (JSON) -> Void) {
    guard !isOver else { return }
    isOver = true
    let delta = JSON(object: [
      "stop_reason": JSON(stopReason), "stop_sequence": stopReason == "stop_sequence" ? JSON("STOP") : .null,
    ])
    write(event("message_delta", ["delta": delta, "usage": JSON(object: ["output_tokens": JSON(outputTokens)])]))
    write(event("message_stop", [:]))
  }

  private func startBlock(to write: (JSON) -> Void) {
    guard blockIndex < blocks.count else { return }
    let content: JSON =
      switch blocks[blockIndex] {
      case .thinking: JSON(object: ["type": JSON("thinking"), "thinking": JSON(""), "signature": JSON("")])
      case .redacted: JSON(object: ["type": JSON("redacted_thinking"), "data": JSON(Self.signature)])
      case .text: JSON(object: ["type": JSON("text"), "text": JSON("")])
      case .tool(let name, _):
        JSON(object: [
          "type": JSON("tool_use"), "id": JSON(toolID(blockIndex)), "name": JSON(name), "input": .object,
        ])
      }
    write(event("content_block_start", ["index": JSON(blockIndex), "content_block": content]))
  }

  /// How many deltas the whole answer has.
  var pieceCount: Int { blocks.reduce(0) { $0 + pieces(of: $1) } }

  /// How many deltas a block has.
  private func pieces(of block: Block) -> Int {
    switch block {
    case .thinking: 2
    case .redacted: 0
    case .text: words.count
    case .tool(_, let input): (input.count + 7) / 8
    }
  }

  private func delta(to write: (JSON) -> Void) {
    guard pieceIndex < pieces(of: blocks[blockIndex]) else { return }
    let delta: JSON
    switch blocks[blockIndex] {
    case .thinking(let text):
      delta =
        pieceIndex == 0
        ? JSON(object: ["type": JSON("thinking_delta"), "thinking": JSON(text)])
        : JSON(object: ["type": JSON("signature_delta"), "signature": JSON(Self.signature)])
    case .redacted: return
    case .text:
      delta = JSON(object: ["type": JSON("text_delta"), "text": JSON(piece(pieceIndex))])
      hasSaidText = true
    case .tool(_, let input):
      let part = input.dropFirst(8 * pieceIndex).prefix(8)
      delta = JSON(object: ["type": JSON("input_json_delta"), "partial_json": JSON(String(part))])
    }
    pieceIndex += 1
    write(event("content_block_delta", ["index": JSON(blockIndex), "delta": delta]))
  }

  private func event(_ type: String, _ members: KeyValuePairs<StaticString, JSON>) -> JSON {
    let event = JSON(object: ["type": JSON(type)])
    for (name, value) in members { event[name] = value }
    return event
  }
}
