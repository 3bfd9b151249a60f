// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records
import Testing

@testable import ClaudeCLI

@Suite("answer")
struct AnswerTests {
  /// The same lines make the same records, however they arrive; and each is one record of the grammar.
  @Test("pieces", arguments: try Recording.all(), [1, 7])
  func pieces(_ recording: Recording, size: Int) throws {
    for isStream in [true, false] {
      let whole = recording.answer(isStream: isStream)
      #expect(recording.answer(inPiecesOf: size, isStream: isStream).records == whole.records)
      let kinds = try whole.records.split(separator: "\n").map { try kind(try JSON.parse(String($0))) }
      #expect(kinds.last == "end" && kinds.filter { $0 == "end" }.count == 1)
      #expect(kinds.first == "begin" || kinds.first == "error")
    }
  }

  private func kind(_ record: JSON) throws -> String {
    #expect(record["rid"]?.string == "r")
    return try #require(Array(record.members).last).key
  }

  /// Events are the upstream's, to the byte, up to the first message's end.
  @Test(
    "events",
    arguments: [
      "text", "text_oauth", "thinking", "thinking_redacted", "tool_use", "tool_use_parallel", "tool_result_turn",
      "multi_turn", "stop_max_tokens", "stop_refusal", "stop_sequence", "error_529_retry_ok",
    ])
  func events(_ name: String) throws {
    let recording = try Recording(name)
    var expected: [JSON] = []
    for line in try recording.lines where line["type"]?.equals("stream_event") == true {
      let event = try #require(line["event"])
      expected.append(event)
      if event["type"]?.equals("message_stop") == true { break }
    }
    let (records, verdict, failure) = recording.answer()
    #expect(failure == nil)
    let events = try records.split(separator: "\n").map { try JSON.parse(String($0)) }.compactMap { $0["event"] }
    #expect(events == expected)
    let goesOn = name == "stop_max_tokens" || name == "stop_refusal"
    #expect(verdict == (goesOn ? .overAndKill : .over))
  }

  /// Half of a surrogate pair is U+FFFD in a stream and in a whole answer: the delta that holds it is not lost.
  @Test("halves of surrogate pairs", arguments: [true, false])
  func halves(isStream: Bool) throws {
    var recording = try Recording("text")
    let start = #""type":"text_delta","text":""#
    let text = String(decoding: recording.text, as: UTF8.self)
    #expect(text.contains(start))
    recording.text = Array(text.replacing(start, with: start + #"\ud83d\ude00\ud83d"#).utf8)
    let (records, _, failure) = recording.answer(isStream: isStream)
    #expect(failure == nil)
    #expect(records.contains(isStream ? #""text":"\ud83d\ude00\ufffd"# : "😀\u{FFFD}"))
    #expect(!records.contains(#"\ude00\ud83d"#))
  }

  /// Errors keep the upstream's status and type, and lose the CLI's own words.
  @Test(
    "errors",
    arguments: [
      ("error_400", 400, "invalid_request_error", "messages: mock says this request is invalid"),
      ("error_401", 401, "authentication_error", "invalid x-api-key"),
      ("error_403", 403, "permission_error", "Your account does not have access"),
      ("error_404", 404, "not_found_error", "model: claude-sonnet-4-5"),
      (
        "error_413", 413, "request_too_large",
        "Request too large (max 32MB). Accumulated images and attachments in the conversation pushed the request over "
          + "the limit. Remove older images or compact the conversation."
      ),
      ("error_429", 429, "rate_limit_error", "This request would exceed your organization's rate limit"),
      ("error_500", 500, "api_error", "Internal server error"),
      ("error_529", 529, "overloaded_error", "Overloaded"),
      ("error_midstream", 529, "overloaded_error", "mock stream error"),
      (
        "error_disconnect", 502, "api_error",
        "Connection to the API was lost (ECONNRESET). This is usually temporary — try again."
      ),
      ("error_no_auth", 401, "authentication_error", CLIError.notLoggedIn.message),
      ("error_missing_session", 500, "api_error", "the Claude CLI could not read the conversation"),
      ("interrupt", 502, "api_error", "the Claude CLI ended the turn without an answer (aborted_streaming)"),
    ])
  func errors(_ name: String, status: Int, type: String, message: String) throws {
    let (records, verdict, failure) = try Recording(name).answer()
    #expect(failure == APIError(status: status, type: type, message, param: status == 404 ? "model" : nil))
    #expect(verdict == .over)
    // Of an end that the CLI made up, nothing is forwarded.
    #expect(!records.contains("message_delta") && !records.contains("content_block_stop\",\"index\":1"))
    #expect(!records.contains("message_stop"))
  }

  @Test("a login's limit says when it ends")
  func loginLimit() throws {
    let failure = try Recording("error_rate_limit_oauth").answer(auth: .login).failure
    #expect(failure?.status == 429)
    #expect(failure?.headers.first?.name == "retry-after")
    #expect(failure?.headers.first?.value == "551")
  }

  /// What the CLI said of the login is in each end from then on, in our own words; what it left out is missing.
  @Test("a login's windows")
  func loginWindows() throws {
    func summary(_ info: String) -> String? {
      let limit = LoginLimit()
      var info = info
      info.withUTF8 { limit.take($0) }
      return limit.summary.map { value in
        var bytes = Bytes()
        bytes.append(value)
        return bytes.text
      }
    }
    let seen = try #require(try Recording("text_oauth").lines.compactMap { $0["rate_limit_info"] }.first)
    var info = Bytes()
    info.append(seen)
    #expect(
      summary(info.text)
        == #"{"status":"allowed","window":"five_hour","resets_at":1795365535,"windows":{"five_hour":{"utilization":0.92,"#
        + #""resets_at":1795365535,"status":"allowed_warning"}}}"#)
    #expect(summary(#"{"status":"rejected"}"#) == #"{"status":"rejected","windows":{}}"#)
    #expect(
      summary(#"{"status":1,"rateLimitType":"seven_day","utilization":1.5,"resetsAt":null,"unifiedWindows":[]}"#)
        == #"{"window":"seven_day","windows":{"seven_day":{"utilization":1.5}}}"#)
    #expect(summary("[]") == nil && summary("{") == nil)
  }

  @Test("the whole message")
  func response() throws {
    func message(_ name: String) throws -> JSON {
      let records = try Recording(name).answer(isStream: false).records
      return try #require(
        records.split(separator: "\n").map { try JSON.parse(String($0)) }.compactMap { $0["response"] }.first)
    }
    let tools = try message("tool_use_parallel")
    #expect(tools["stop_reason"]?.string == "tool_use")
    #expect(tools["content"]?.count == 2)
    #expect(tools["content"]?[1]["input"]?.isObject == true && tools["content"]![1]["input"]!.count > 0)
    let thinking = try message("thinking_redacted")
    #expect(thinking["content"]?.elements.map { $0["type"]!.string! } == ["thinking", "redacted_thinking", "text"])
    #expect(thinking["content"]?[0]["signature"]?.string == "bW9jay1zaWduYXR1cmUtMDEyMzQ1Njc4OQ==")
    #expect(thinking["content"]?[0]["thinking"]?.string?.hasPrefix("Let me think about this") == true)
    #expect(thinking["usage"]?["output_tokens"]?.integer == 75)
    #expect(thinking["usage"]?["cache_creation"]?.isObject == true)
    #expect(try message("stop_sequence")["stop_sequence"]?.string == "END")
  }

  @Test("bare answers are bodies alone")
  func bare() throws {
    let (records, _, _) = try Recording("text").answer(isBare: true)
    #expect(records.hasPrefix(#"{"type":"message_start""#))
    #expect(records.hasSuffix("{\"type\":\"message_stop\"}\n"))
    let whole = try Recording("text").answer(isStream: false, isBare: true).records
    #expect(whole.split(separator: "\n").count == 1)
  }

  @Test("answers without text make the CLI go on")
  func empty() throws {
    var recording = try Recording("text")
    let lines = String(decoding: recording.text, as: UTF8.self).split(separator: "\n")
    recording.text = Array((lines.filter { !$0.contains("content_block") }.joined(separator: "\n") + "\n").utf8)
    #expect(recording.answer().verdict == .overAndKill)
  }

  @Test("events of other threads are not the answer's")
  func sideThreads() throws {
    var recording = try Recording("text")
    let text = String(decoding: recording.text, as: UTF8.self)
    recording.text = Array(
      text.split(separator: "\n").flatMap { line -> [String] in
        let line = String(line)
        guard let range = line.firstRange(of: #""parent_tool_use_id":null"#) else { return [line + "\n"] }
        var side = line
        side.replaceSubrange(range, with: #""parent_tool_use_id":"toolu_1""#)
        return [side + "\n", line + "\n"]
      }.joined().utf8)
    #expect(try recording.answer().records == Recording("text").answer().records)
  }

  @Test("lines with white space are read alike")
  func spaces() {
    var line = Bytes()
    line.append(text: #"{ "type" : "stream_event" , "event": {"type": "message_stop"}, "parent_tool_use_id": null }"#)
    guard case .event(let event, .messageStop, false) = CLILine(line.slice) else {
      Issue.record("no event")
      return
    }
    #expect(event.text == #"{"type": "message_stop"}"#)
  }
}
