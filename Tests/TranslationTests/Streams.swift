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
    for index in 0..<random.below(5) { block(index, &stream) }
    let reason = random.any(of: ["end_turn", "tool_use", "max_tokens", "refusal", "brand_new"])
    event(
      &stream,
      #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null},"usage":{"output_tokens":9}}"#
    )
    event(&stream, #"{"type":"message_stop"}"#)
    stream.isWhole = true
  }

  private mutating func block(_ index: Int, _ stream: inout Stream) {
    switch random.below(7) {
    case 0, 1:
      start(index, #"{"type":"text","text":""}"#, &stream)
      for _ in 0..<random.below(6) { textDelta(index, &stream) }
    case 2:
      start(index, #"{"type":"thinking","thinking":"","signature":""}"#, &stream)
      for _ in 0..<random.below(4) {
        let (text, written) = text()
        stream.reasoning += text
        delta(index, #"{"type":"thinking_delta","thinking":\#(written)}"#, &stream)
      }
      delta(index, #"{"type":"signature_delta","signature":"EqQB"}"#, &stream)
    case 3: tool(index, &stream)
    case 4: start(index, #"{"type":"redacted_thinking","data":"AA=="}"#, &stream)
    case 5:
      start(index, #"{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}"#, &stream)
      delta(index, #"{"type":"input_json_delta","partial_json":"{\"query\":1}"}"#, &stream)
    default:
      start(index, #"{"type":"hologram","data":[1,2]}"#, &stream)
      delta(index, #"{"type":"hologram_delta","data":1}"#, &stream)
    }
    event(&stream, #"{"type":"content_block_stop","index":\#(index)}"#)
  }

  private mutating func tool(_ index: Int, _ stream: inout Stream) {
    start(index, #"{"type":"tool_use","id":"toolu_\#(index)","name":"f\#(index)","input":{}}"#, &stream)
    let input = JSON.object
    for key in 0..<random.below(4) {
      input["k\(key)"] = random.any(of: [JSON(1.5), JSON("é\n😀"), .null, .array, JSON(-3)])
    }
    stream.calls.append(("f\(index)", input))
    if input.count == 0, random.one(in: 2) { return }
    // Cut anywhere, as the API does.
    var rest = Array(input.text)[...]
    while !rest.isEmpty {
      let part = rest.prefix(1 + random.below(9))
      rest = rest.dropFirst(part.count)
      delta(index, #"{"type":"input_json_delta","partial_json":\#(JSON(String(part)).text)}"#, &stream)
    }
  }

  private mutating func start(_ index: Int, _ content: String, _ stream: inout Stream) {
    event(&stream, #"{"type":"content_block_start","index":\#(index),"content_block":\#(content)}"#)
  }

  private mutating func delta(_ index: Int, _ delta: String, _ stream: inout Stream) {
    event(&stream, #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#)
  }

  private mutating func textDelta(_ index: Int, _ stream: inout Stream) {
    let (text, written) = text()
    stream.text += text
    switch random.below(8) {
    case 0:
      event(
        &stream,
        #"{ "type" : "content_block_delta" , "index":\#(index), "delta":{"type":"text_delta","text":\#(written) } }"#)
    case 1:
      event(
        &stream, #"{"delta":{"text":\#(written),"type":"text_delta"},"type":"content_block_delta","index":\#(index)}"#)
    case 2: delta(index, #"{"type":"text_delta","text":\#(written),"later":{"text":"no"}}"#, &stream)
    default: delta(index, #"{"type":"text_delta","text":\#(written)}"#, &stream)
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
