// SPDX-License-Identifier: MIT
import Jansson

/// One generated answer: its records, and what a client must see of it.
struct Stream {
  let rid: String
  let isOpenAI: Bool
  var includesUsage = false
  /// One line each, without LF.
  var records: [String] = []
  var text = ""
  var reasoning = ""
  /// The input of each call, as JSON.
  var calls: [(name: String, input: JSON)] = []
  /// The message is said to its end.
  var isWhole = false
  /// It has its `end`.
  var isEnded = false
  var hasFailed = false
  /// Nothing was begun: an error alone, or an end.
  var hasBegun = true
}

/// Makes answers as a backend sends them, with what newer versions of the API may say, and broken off anywhere.
struct Streams {
  var random: Random

  init(seed: Int) { random = Random(seed: seed) }

  /// Answers whose records are interleaved, in an order of chance.
  mutating func interleaved(_ streams: [Stream]) -> [String] {
    var rest = streams.map { $0.records[...] }
    var lines: [String] = []
    while rest.contains(where: { !$0.isEmpty }) {
      let at = random.below(rest.count)
      // Now and then a burst, which the stages behind take by another path.
      for _ in 0..<1 + random.below(3) { if let line = rest[at].popFirst() { lines.append(line) } }
    }
    return lines
  }

  mutating func stream(_ number: Int) -> Stream {
    var stream = Stream(
      rid: random.any(of: ["r\(number)", "é\(number)", "a\\\"\(number)"]), isOpenAI: !random.one(in: 5))
    stream.includesUsage = random.one(in: 3)
    let ctx =
      #"{"op":"messages","dialect":"\#(stream.isOpenAI ? "openai" : "anthropic")","http":{"time":1700000000000000},"model":{"asked":"gpt-4o","effective":"m"}"#
      + (stream.includesUsage ? #","oai2anth":{"include_usage":true}}"# : "}")
    if random.one(in: 12) {
      stream.hasBegun = false
      if random.one(in: 2) {
        stream.hasFailed = true
        stream.records.append(#"{"rid":"\#(stream.rid)","ctx":\#(ctx),"error":\#(Self.error)}"#)
      }
      end(&stream)
      return stream
    }
    stream.records.append(
      #"{"rid":"\#(stream.rid)","ctx":\#(ctx),"begin":{"status":200,"headers":{"request-id":"q"}}}"#)
    say(&stream)
    if random.one(in: 4) { breakOff(&stream) } else { end(&stream) }
    return stream
  }

  static let error =
    #"{"status":529,"headers":{"retry-after":"3"},"body":{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"q"}}"#

  private mutating func end(_ stream: inout Stream) {
    if random.one(in: 6) { return }
    stream.records.append(#"{"rid":"\#(stream.rid)","end":{"usage":{"output_tokens":3}}}"#)
    stream.isEnded = true
  }

  private mutating func event(_ stream: inout Stream, _ event: String) {
    stream.records.append(#"{"rid":"\#(stream.rid)","event":\#(event)}"#)
    switch random.below(12) {
    case 0: stream.records.append(#"{"rid":"\#(stream.rid)","event":{"type":"ping"}}"#)
    case 1: stream.records.append(#"{"rid":"\#(stream.rid)","event":{"type":"new_thing","of":["no",{"one":"knows"}]}}"#)
    case 2: stream.records.append(#"{"rid":"\#(stream.rid)","later":{"kind":1}}"#)
    default: break
    }
  }

  // MARK: The message

  private mutating func say(_ stream: inout Stream) {
    event(
      &stream,
      #"{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}"#
    )
    var blocks: [[String]] = []
    for index in 0..<random.below(5) { blocks.append(block(index, &stream)) }
    sayMixed(blocks, &stream)
    let reason = random.any(of: ["end_turn", "tool_use", "max_tokens", "refusal", "brand_new"])
    event(
      &stream,
      #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null},"usage":{"output_tokens":9}}"#
    )
    event(&stream, #"{"type":"message_stop"}"#)
    stream.isWhole = true
  }

  /// Says the events of blocks, one block after another or mixed; they begin in order.
  private mutating func sayMixed(_ blocks: [[String]], _ stream: inout Stream) {
    let isMixed = random.one(in: 3)
    var waiting = blocks[...]
    var begun: [ArraySlice<String>] = []
    while !waiting.isEmpty || !begun.isEmpty {
      if begun.isEmpty || isMixed && random.one(in: 3), let next = waiting.popFirst() { begun.append(next[...]) }
      let at = random.below(begun.count)
      // One that has just begun says so before the next one does.
      let place = begun.last!.count == blocks[blocks.count - waiting.count - 1].count ? begun.count - 1 : at
      if let said = begun[place].popFirst() { event(&stream, said) }
      if begun[place].isEmpty { begun.remove(at: place) }
    }
  }

  /// The events of a block; what a client must see of it is noted in the stream.
  private mutating func block(_ index: Int, _ stream: inout Stream) -> [String] {
    var events: [String] = []
    switch random.below(7) {
    case 0, 1:
      events.append(Self.start(index, #"{"type":"text","text":""}"#))
      for _ in 0..<random.below(6) { events.append(textDelta(index, &stream)) }
    case 2:
      events.append(Self.start(index, #"{"type":"thinking","thinking":"","signature":""}"#))
      for _ in 0..<random.below(4) {
        let (text, written) = text()
        stream.reasoning += text
        events.append(Self.delta(index, #"{"type":"thinking_delta","thinking":\#(written)}"#))
      }
      events.append(Self.delta(index, #"{"type":"signature_delta","signature":"EqQB"}"#))
    case 3: events += tool(index, &stream)
    case 4: events.append(Self.start(index, #"{"type":"redacted_thinking","data":"AA=="}"#))
    case 5:
      events.append(Self.start(index, #"{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}"#))
      events.append(Self.delta(index, #"{"type":"input_json_delta","partial_json":"{\"query\":1}"}"#))
    default:
      events.append(Self.start(index, #"{"type":"hologram","data":[1,2]}"#))
      events.append(Self.delta(index, #"{"type":"hologram_delta","data":1}"#))
    }
    return events + [#"{"type":"content_block_stop","index":\#(index)}"#]
  }

  private mutating func tool(_ index: Int, _ stream: inout Stream) -> [String] {
    let input = JSON.object
    for key in 0..<random.below(4) {
      input["k\(key)"] = random.any(of: [JSON(1.5), JSON("é\n😀"), .null, .array, JSON(-3)])
    }
    stream.calls.append(("f\(index)", input))
    // The start's own input counts where nothing follows.
    let isGiven = input.count > 0 && random.one(in: 6)
    let given = isGiven ? input.text : random.any(of: ["{}", #"{"placeholder":1}"#])
    let start = Self.start(
      index,
      #"{"type":"tool_use","id":"toolu_\#(index)","name":"f\#(index)","input":\#(input.count == 0 ? "{}" : given)}"#)
    if isGiven || input.count == 0 && random.one(in: 2) { return [start] }
    var events = [start]
    // Cut anywhere, as the API does.
    var rest = Array(input.text)[...]
    while !rest.isEmpty {
      let part = rest.prefix(1 + random.below(9))
      rest = rest.dropFirst(part.count)
      events.append(Self.delta(index, #"{"type":"input_json_delta","partial_json":\#(JSON(String(part)).text)}"#))
    }
    return events
  }

  private static func start(_ index: Int, _ content: String) -> String {
    #"{"type":"content_block_start","index":\#(index),"content_block":\#(content)}"#
  }

  private static func delta(_ index: Int, _ delta: String) -> String {
    #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#
  }

  private mutating func textDelta(_ index: Int, _ stream: inout Stream) -> String {
    let (text, written) = text()
    stream.text += text
    return switch random.below(8) {
    case 0:
      #"{ "type" : "content_block_delta" , "index":\#(index), "delta":{"type":"text_delta","text":\#(written) } }"#
    case 1: #"{"delta":{"text":\#(written),"type":"text_delta"},"type":"content_block_delta","index":\#(index)}"#
    case 2: Self.delta(index, #"{"type":"text_delta","text":\#(written),"later":{"text":"no"}}"#)
    default: Self.delta(index, #"{"type":"text_delta","text":\#(written)}"#)
    }
  }

  /// Text, and how it may stand in JSON.
  mutating func text() -> (text: String, written: String) {
    var text = ""
    var written = ""
    for _ in 0..<random.below(random.one(in: 9) ? 40 : 4) {
      let (said, inside) = random.any(of: [
        ("Hello", "Hello"), (" ", " "), ("\n", #"\n"#), ("\"", #"\""#), ("\\", #"\\"#), ("/", #"\/"#), ("é", "é"),
        ("é", #"\u00e9"#), ("😀", "😀"), ("😀", #"\ud83d\ude00"#), ("\u{0}", #"\u0000"#), ("}}", "}}"), ("\t", #"\t"#),
        (#"","delta":{"#, #"\",\"delta\":{"#), ("\u{1F}", #"\u001f"#), ("data: x\r\n\r\n", #"data: x\r\n\r\n"#),
      ])
      text += said
      written += inside
    }
    return (text, "\"" + written + "\"")
  }

  /// Loses what comes after some record; an error may be said instead.
  private mutating func breakOff(_ stream: inout Stream) {
    let kept = 1 + random.below(stream.records.count)
    stream.records.removeLast(stream.records.count - kept)
    stream.isWhole = stream.records.contains { $0.contains(#""event":{"type":"message_stop"}"#) }
    if !stream.isWhole, random.one(in: 2) {
      stream.records.append(#"{"rid":"\#(stream.rid)","error":\#(Self.error)}"#)
      stream.hasFailed = true
      end(&stream)
    }
  }
}
