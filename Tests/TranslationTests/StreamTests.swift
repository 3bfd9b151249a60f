// SPDX-License-Identifier: MIT
import EventStream
import JSONText
import Jansson
import Records
import Testing

@testable import Translation

/// Whatever a backend says, and wherever it breaks off: what anth2oai and sse-encode make of it keeps the grammar, and
/// says the same things.
@Suite("generated streams")
struct StreamTests {
  @Test("keep the grammar, and say what was said", arguments: Cases.batches)
  func streams(_ batch: Int) {
    for seed in Cases.seeds(batch, of: 800) {
      var streams = Streams(seed: seed)
      var made: [Stream] = []
      for number in 0..<1 + streams.random.below(3) { made.append(streams.stream(number)) }
      let lines = streams.interleaved(made)
      let input = Array(lines.map { $0 + "\n" }.joined().utf8)
      do {
        // Each cut is a run of its own: the first of many cases show enough of them.
        let isShort = input.count < 2000 && seed % 50 == 0 && seed < 10_000
        try check(made, input, everyCut: isShort, &streams.random)
      } catch {
        Issue.record("seed \(seed): \(error)\nof \(String(decoding: input, as: UTF8.self))")
        return
      }
    }
  }

  private func check(_ streams: [Stream], _ input: [UInt8], everyCut: Bool, _ random: inout Random) throws {
    let chats = said(by: MessagesToChat(), of: input)
    let https = said(by: EventStreamEncoder(), of: Array(chats.utf8))
    try checkCuts(MessagesToChat(), input, chats, every: everyCut, &random)
    try checkCuts(EventStreamEncoder(), Array(chats.utf8), https, every: everyCut, &random)
    try checkResponses(streams, input, everyCut: everyCut, &random)
    let chatRecords = try Said.records(chats)
    let httpRecords = try Said.records(https)
    for stream in streams {
      let rid = try JSON.parse("\"\(stream.rid)\"").string
      let records = chatRecords.filter { $0.rid == rid }
      try checkGrammar(of: records.map(\.kind).filter { $0 != "later" }, stream)
      // What the others say changes nothing.
      let alone = said(by: MessagesToChat(), of: Array(stream.records.map { $0 + "\n" }.joined().utf8))
      try hold("it is the same alone", alone == records.map { $0.text + "\n" }.joined())
      if stream.isOpenAI {
        try checkChunks(records, stream)
      } else {
        try hold("the other dialect's bytes stay", records.map(\.text).starts(with: stream.records))
      }
      try checkHTTP(httpRecords.filter { $0.rid == rid }, of: records)
    }
  }

  /// The same answers, for clients of the Responses API.
  private func checkResponses(
    _ streams: [Stream], _ input: [UInt8], everyCut: Bool, _ random: inout Random
  ) throws {
    let asked = String(decoding: input, as: UTF8.self)
      .replacing(#""dialect":"openai""#, with: #""dialect":"responses","resp2anth":{"reasoning":true,"summary":true}"#)
    let input = Array(asked.utf8)
    let whole = said(by: MessagesToResponses(), of: input)
    try checkCuts(MessagesToResponses(), input, whole, every: everyCut, &random)
    let records = try Said.records(whole)
    for stream in streams where stream.isOpenAI {
      let rid = try JSON.parse("\"\(stream.rid)\"").string
      let own = records.filter { $0.rid == rid }
      try checkGrammar(of: own.map(\.kind).filter { $0 != "later" }, stream)
      let events = own.filter { $0.kind == "event" }.map(\.payload)
      let types = events.map { $0["type"]?.string ?? "" }
      try hold("events are numbered", events.map { $0["sequence_number"]?.integer } == Array(0..<events.count))
      guard !events.isEmpty else { continue }
      let last = stream.isWhole ? ["response.completed", "response.incomplete"] : ["response.failed"]
      try hold("it ends as it did: \(types.last ?? "")", last.contains(types.last ?? ""))
      try hold("there is one end", types.filter { $0 == types.last }.count == 1)
      guard stream.isWhole else { continue }
      var calls: [JSON] = []
      for item in events.last?["response"]?["output"]?.elements.map({ $0 }) ?? [] {
        if let arguments = item["arguments"]?.string { calls.append(try JSON.parse(arguments)) }
      }
      try hold("the calls are there", calls == stream.calls.map(\.input))
    }
  }

  /// However the bytes arrive, the output is the same.
  private func checkCuts(
    _ filter: some RecordFilter, _ input: [UInt8], _ whole: String, every: Bool, _ random: inout Random
  ) throws {
    if every {
      for cut in 0...input.count {
        try hold("cut at \(cut) it is the same", said(by: filter, of: input, cutAt: [cut]) == whole)
      }
      try hold("byte by byte it is the same", said(by: filter, of: input, cutAt: Array(0..<input.count)) == whole)
    }
    var cuts: [Int] = []
    for _ in 0..<5 { cuts.append(random.below(input.count + 1)) }
    try hold("cut at \(cuts) it is the same", said(by: filter, of: input, cutAt: cuts.sorted()) == whole)
  }

  /// `begin (event* | response) error? end`, or `error end`, or `end`.
  private func checkGrammar(of kinds: [String], _ stream: Stream) throws {
    var kinds = kinds[...]
    let shown = "the grammar is kept: \(kinds)"
    if !stream.hasBegun, !stream.isEnded, !stream.hasFailed { return try hold(shown, kinds.isEmpty) }
    if kinds.first == "begin" {
      kinds.removeFirst()
      kinds = kinds.drop { $0 == "event" }
    }
    if kinds.first == "error" { kinds.removeFirst() }
    // What isn't translated is held open by sse-encode alone.
    if !stream.isEnded, !stream.hasBegun || !stream.isOpenAI { return try hold(shown, kinds.isEmpty) }
    try hold(shown, kinds == ["end"])
  }

  private func checkChunks(_ records: [Said], _ stream: Stream) throws {
    var text = ""
    var reasoning = ""
    var names: [String] = []
    var arguments: [String] = []
    var reasons = 0
    var isDone = false
    var heads: Set<String> = []
    for record in records where record.kind == "event" {
      try hold("nothing follows [DONE]", !isDone)
      let chunk = record.payload
      if chunk.equals("[DONE]") {
        isDone = true
        continue
      }
      try hold("it is a chunk", chunk["object"]?.equals("chat.completion.chunk") == true)
      try hold("usage stands where it was asked for", (chunk["usage"] != nil) == stream.includesUsage)
      heads.insert([chunk["id"]?.text, chunk["created"]?.text, chunk["model"]?.text].map { $0 ?? "none" }.joined())
      guard let choice = chunk["choices"]?.elements.map({ $0 }).first else {
        try hold("the usage has the cache in it", chunk["usage"]?["prompt_tokens"]?.integer == 12)
        continue
      }
      if choice["finish_reason"]?.isNull == false { reasons += 1 }
      let delta = choice["delta"] ?? .null
      try hold("nothing is said behind the reason", reasons == 0 || delta.count == 0 && reasons == 1)
      text += delta["content"]?.string ?? ""
      reasoning += delta["reasoning_content"]?.string ?? ""
      for call in delta["tool_calls"]?.elements.map({ $0 }) ?? [] {
        let index = call["index"]?.integer ?? -1
        if let name = call["function"]?["name"]?.string {
          try hold("calls are counted from 0", index == names.count)
          names.append(name)
          arguments.append("")
        }
        try hold("fragments belong to a call that has begun", names.indices.contains(index))
        arguments[index] += call["function"]?["arguments"]?.string ?? ""
      }
    }
    try hold("id, time and model are the same in all chunks: \(heads)", heads.count <= 1)
    try hold("it is done iff it was said to the end", isDone == stream.isWhole && reasons == (isDone ? 1 : reasons))
    let errors = records.filter { $0.kind == "error" }
    try hold(
      "what was broken off fails", errors.count == (stream.hasFailed || !stream.isEnded && stream.hasBegun ? 1 : 0))
    for error in errors { try hold("it fails in OpenAI's words", error.payload["body"]?["error"]?["type"] != nil) }
    guard stream.isWhole else {
      return try hold(
        "no other words", stream.text.utf8.starts(with: text.utf8) && stream.reasoning.utf8.starts(with: reasoning.utf8)
      )
    }
    try hold("the same text", text == stream.text)
    try hold("the same thoughts", reasoning == stream.reasoning)
    try hold("the same calls", names == stream.calls.map(\.name))
    for (given, call) in zip(arguments, stream.calls) {
      try hold("the same input: \(given)", try JSON.parse(given) == call.input)
    }
  }

  /// `http data* end`, and the data is the events.
  private func checkHTTP(_ https: [Said], of records: [Said]) throws {
    var kinds = https.map(\.kind).filter { $0 != "later" }[...]
    let shown = "the grammar of HTTP is kept: \(kinds)"
    guard !kinds.isEmpty else { return try hold(shown, records.allSatisfy { $0.kind == "later" }) }
    if kinds.first == "http" {
      kinds.removeFirst()
      kinds = kinds.drop { $0 == "data" }
    }
    try hold(shown, kinds == ["end"])
    let body = https.filter { $0.kind == "data" }.compactMap { $0.payload.string }.joined()
    var expected = ""
    for record in records where record.kind == "event" || (record.kind == "error" && !expected.isEmpty) {
      let event = record.kind == "event" ? record.payload : record.payload["body"]!
      if let type = event["type"]?.string { expected += "event: \(type)\n" }
      expected += "data: " + (event.string ?? Self.spliced(record, event)) + "\n\n"
    }
    guard !expected.isEmpty else { return }
    guard body != expected else { return }
    // Of what was broken off unseen by anth2oai, sse-encode says that it ended too early.
    let isCut = !records.contains { $0.kind == "end" || $0.kind == "error" }
    let rest = body.dropFirst(expected.count)
    try hold("the stream is the events, \(body)", isCut && body.hasPrefix(expected) && rest.hasPrefix("event: error\n"))
  }

  /// The bytes that an event came as.
  private static func spliced(_ record: Said, _ event: JSON) -> String {
    guard record.kind == "event" else { return event.text }
    return Array(record.text.utf8).withUnsafeBufferPointer { Line(scanning: $0)!.payload.text }
  }

  @Test("a text delta gives the same by the short path and the long one", arguments: Cases.batches)
  func textDeltas(_ batch: Int) throws {
    let begin = #"{"rid":"r","ctx":{"dialect":"openai","model":{"asked":"m"}},"begin":{}}"#
    let start = #"{"type":"message_start","message":{"id":"msg_1"}}"#
    for seed in Cases.seeds(batch, of: 2000) {
      var streams = Streams(seed: seed)
      let (text, written) = streams.text()
      let event =
        #"{"type":"content_block_delta","index":\#(seed % 12),"delta":{"type":"text_delta","text":\#(written)}}"#
      let answer = Array(begin.utf8).withUnsafeBufferPointer { ChatAnswer(Line(scanning: $0)!, .init()) }
      var out = Output()
      try answer.take(event: try JSON.parse(start), to: &out)
      out.bytes.removeAll()
      let isTaken = Array(event.utf8).withUnsafeBufferPointer { answer.takeTextDelta($0, to: &out) }
      let short = out.bytes.text
      out.bytes.removeAll()
      try answer.take(event: try JSON.parse(event), to: &out)
      let long = out.bytes.text
      #expect(isTaken == !text.isEmpty)
      guard isTaken else { continue }
      // The short path keeps the escapes that came; the long one writes its own.
      if JSON(text).text == written { #expect(short == long) }
      #expect(try JSON.parse(short) == JSON.parse(long))
    }
  }
}
