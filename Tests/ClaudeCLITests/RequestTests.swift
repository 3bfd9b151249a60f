// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records
import Testing

@testable import ClaudeCLI

/// A request, from text.
func request(_ text: String, ctx: String = "{}") throws(APIError) -> MessagesRequest {
  var bytes = Bytes()
  bytes.append(text: text)
  var context = Bytes()
  context.append(text: ctx)
  return try MessagesRequest(payload: bytes.slice, ctx: context.slice)
}

@Suite("request")
struct RequestTests {
  private static let base = #"{"model":"claude-x","max_tokens":5,"messages":[{"role":"user","content":"hi"}]"#

  private func freight(_ text: String, auth: Auth = .key) throws -> (lines: [JSON], frames: [JSON], losses: [Loss]) {
    var number = 0
    let freight = Freight(try request(text), carrier: .native, auth: auth) {
      number += 1
      return "id-\(number)"
    }
    func lines(_ text: String) throws -> [JSON] { try text.split(separator: "\n").map { try JSON.parse(String($0)) } }
    let transcript = try lines(freight.transcript.text)
    #expect(transcript.last?["uuid"]?.string == freight.last)
    return (transcript, try lines(freight.frames.text), freight.losses)
  }

  private func body(_ text: String, auth: Auth = .key) throws -> JSON {
    let frame = try freight(text, auth: auth).frames[1]
    return try JSON.parse(#require(frame["request"]?["settings"]?["env"]?["CLAUDE_CODE_EXTRA_BODY"]?.string))
  }

  @Test(
    "what every request must have",
    arguments: [
      ("[]", "the body must be a JSON object", nil),
      ("{", "the body is not valid JSON: a key is expected at byte 1", nil),
      (#"{"max_tokens":1,"messages":[]}"#, "model: Field required", "model"),
      (#"{"model":"m","max_tokens":1}"#, "messages: Field required", "messages"),
      (#"{"model":"m","max_tokens":1,"messages":[]}"#, "messages: at least one message is required", "messages"),
      (#"{"model":"m","max_tokens":1,"messages":{}}"#, "messages: Input should be a valid list", "messages"),
      (
        #"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#, "max_tokens: Field required", "max_tokens"
      ),
      (
        #"{"model":"m","max_tokens":1,"messages":[{"role":"robot","content":"hi"}]}"#,
        "messages.0.role: Input should be 'user' or 'assistant'", "messages.0.role"
      ),
      (
        #"{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}"#, "messages.0.content: Field required",
        "messages.0.content"
      ),
    ] as [(String, String, String?)])
  func refused(_ text: String, message: String, param: String?) {
    #expect(throws: APIError.invalid(message, param: param)) { try request(text) }
  }

  @Test(
    "the effort of models for which the CLI sends none is in the ledger",
    arguments: [
      ("claude-sonnet-4-5-20250929", true), ("claude-opus-4-20250514", true), ("claude-3-haiku-20240307", true),
      ("claude-opus-4-5", false), ("claude-sonnet-4-6", false), ("claude-future-9", false),
    ])
  func effort(_ model: String, isLost: Bool) throws {
    let text = #"{"model":"\#(model)","max_tokens":5,"messages":[{"role":"user","content":"hi"}]"#
    #expect(try request(text + "}").losses.isEmpty)
    let losses = try request(text + #","output_config":{"effort":"low"}}"#).losses
    #expect(losses == (isLost ? [Loss("output_config.effort", "dropped")] : []))
  }

  @Test("names that can't stand in an argv are no models", arguments: ["--bare", "-p", "a b", "a\u{1}", "", "ü"])
  func modelNames(_ name: String) {
    #expect(ModelName(name) == nil)
    #expect(ModelName("claude-sonnet-4-5[1m]") != nil)
    #expect(ModelName("us.anthropic.claude-x-v1:0") != nil)
  }

  @Test("a transcript names each line's parent, and the request's model")
  func transcript() throws {
    let (lines, _, losses) = try freight(
      #"{"model":"claude-x","max_tokens":5,"messages":[{"role":"user","content":"one"},"#
        + #"{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"a"}]},"#
        + #"{"role":"user","content":"two"},{"role":"user","content":[{"type":"text","text":"three"}]},"#
        + #"{"role":"assistant","content":"pre"}]}"#)
    #expect(lines.map { $0["type"]!.string! } == ["user", "assistant", "user", "assistant"])
    #expect(lines.map { $0["uuid"]!.string! } == ["id-1", "id-2", "id-3", "id-4"])
    #expect(lines.map { $0["parentUuid"]!.string ?? "null" } == ["null", "id-1", "id-2", "id-3"])
    #expect(lines[1]["message"]?["model"]?.string == "claude-x")
    #expect(lines[1]["message"]?["id"]?.string == "msg_id2")
    #expect(lines[0]["message"]?["content"]?.string == "one")
    #expect(
      lines[2]["message"]?["content"]?.text == #"[{"type":"text","text":"two"},{"type":"text","text":"three"}]"#)
    #expect(lines[3]["message"]?["content"]?.text == #"[{"type":"text","text":"pre"}]"#)
    #expect(losses.isEmpty)
  }

  @Test("system text goes by initialize, and what it loses is told")
  func system() throws {
    let (_, frames, losses) = try freight(
      Self.base
        + #","system":[{"type":"text","text":"A","cache_control":{"type":"ephemeral"}},{"type":"text","text":"B"}]}"#)
    #expect(frames[0]["request"]?["systemPrompt"]?.text == #"["A\n\nB"]"#)
    #expect(losses == [Loss("system.cache_control", "dropped"), Loss("system", "joined from 2 blocks")])
    #expect(try freight(Self.base + "}").frames[0]["request"]?["systemPrompt"]?.text == "[]")
    let late = try freight(
      #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"},{"role":"system","content":"S"},"#
        + #"{"role":"user","content":"b"}]}"#)
    #expect(late.frames[0]["request"]?["systemPrompt"]?.text == #"["S"]"#)
    #expect(late.losses == [Loss("messages[1]", "moved to system")])
    #expect(late.lines.count == 1)
  }

  @Test("the user frame is empty and client-composed")
  func frames() throws {
    let frames = try freight(Self.base + "}").frames
    #expect(frames.count == 3)
    #expect(frames[2]["message"]?["content"]?.text == "[]")
    #expect(frames[2]["client_composed"]?.bool == true)
    #expect(frames[1]["request"]?["settings"]?["model"]?.string == "claude-x")
  }

  @Test("the extra body is what the table allows, as it came")
  func extraBody() throws {
    let text =
      Self.base + #","temperature":0.7,"stop_sequences":["é\"\n"],"tools":[{"name":"t","input_schema":{"a":1.0}}],"#
      + #""metadata":{"user_id":"u"},"stream":true,"betas":["b"],"foo":1,"thinking":{"type":"disabled"}}"#
    #expect(
      try body(text).text
        == #"{"max_tokens":5,"temperature":0.7,"stop_sequences":["é\"\n"],"#
        + #""tools":[{"name":"t","input_schema":{"a":1.0}}],"metadata":{"user_id":"u"},"thinking":{"type":"disabled"}}"#
    )
    #expect(try freight(text).losses == [Loss("betas", "dropped"), Loss("foo", "dropped")])
    // A login's own metadata stays.
    #expect(try body(text, auth: .login)["metadata"] == nil)
    #expect(try freight(text, auth: .login).losses.contains(Loss("metadata", "dropped")))
  }

  private func verbatim(_ text: String) throws -> (frames: [JSON], body: String, losses: [Loss], settingsID: String) {
    var number = 0
    let freight = Freight(try request(text), carrier: .verbatim, auth: .key) {
      number += 1
      return "id-\(number)"
    }
    let hasTranscript = !freight.transcript.isEmpty
    #expect(!hasTranscript)
    let frames = try freight.frames.text.split(separator: "\n").map { try JSON.parse(String($0)) }
    let body = try #require(frames[0]["request"]?["settings"]?["env"]?["CLAUDE_CODE_EXTRA_BODY"]?.string)
    return (frames, body, freight.losses, freight.settingsID)
  }

  @Test("verbatim, a request goes in the settings, behind what forgets the last one")
  func verbatimFrames() throws {
    let (frames, body, losses, settingsID) = try verbatim(Self.base + "}")
    #expect(frames.map { $0["type"]!.string! } == ["control_request", "system", "user"])
    #expect(frames[0]["request_id"]?.string == settingsID)
    #expect(frames[0]["request"]?["settings"]?["model"]?.string == "claude-x")
    // Settings merge: what isn't named would be the last request's.
    let names = frames[0]["request"]?["settings"]?["env"]?.members.map { $0.key }
    #expect(names == ["CLAUDE_CODE_EXTRA_BODY", "DISABLE_PROMPT_CACHING", "ANTHROPIC_CUSTOM_HEADERS"])
    #expect(frames[1]["subtype"]?.string == "compact_boundary")
    #expect(frames[2]["message"]?["content"]?.string == ".")
    #expect(frames[2]["client_composed"]?.bool == true)
    #expect(Set([settingsID, frames[1]["uuid"]?.string, frames[2]["uuid"]?.string]).count == 3)
    #expect(losses.isEmpty)
    // The CLI's own system blocks and metadata are kept out.
    #expect(
      body == #"{"max_tokens":5,"messages":[{"role":"user","content":"hi"}],"system":[],"metadata":{}}"#)
  }

  @Test(
    "verbatim, values are the client's bytes",
    arguments: [
      #""temperature":0.70"#, #""temperature":1e-1"#, #""top_k":12345678901234567890"#,
      #""system":"\u00e9\/\ud83d\ude00 \" \\ \n""#, #""tools":[ {"b":1, "a":1.0} ]"#, #""system":null"#,
      #""metadata":{"user_id":null}"#,
    ])
  func verbatimBytes(_ member: String) throws {
    let body = try verbatim(Self.base + "," + member + "}").body
    #expect(body.contains("," + member))
    #expect(try JSON.parse(body).members.map { $0.key }.count == 5 - (member.hasPrefix(#""t"#) ? 0 : 1))
  }

  @Test("verbatim, names count and not how they are written")
  func verbatimNames() throws {
    let text =
      #"{"model":"m","max_tokens":5,"mess\u0061ges":[{"role":"user","content":"hi"}],"stre\u0061m":true,"b\u0065tas":[]}"#
    let (_, body, losses, _) = try verbatim(text)
    #expect(body.hasPrefix(#"{"max_tokens":5,"messages":[{"role":"user","content":"hi"}],"#))
    #expect(losses == [Loss("betas", "dropped")])
  }

  @Test("a member that is null is as if it were not there", arguments: Auth.allCases)
  func nulls(auth: Auth) throws {
    let members = #","thread":null,"future_field":null,"context_management":null,"output_config":{"effort":null}}"#
    let text = (Self.base + members).replacing(#""content":"hi""#, with: #""content":"hi","name":null"#)
    for model in ["claude-x", "claude-sonnet-4-5"] {
      for carrier in [Carrier.native, .replay, .verbatim] {
        let asked = try request(text.replacing("claude-x", with: model))
        let freight = Freight(asked, carrier: carrier, auth: auth) { "id" }
        let losses = freight.losses
        #expect(losses.isEmpty)
      }
    }
    for thread in ["{}", "false", #""t""#] {
      #expect(throws: APIError.self) { try request(text.replacing(#""thread":null"#, with: #""thread":\#(thread)"#)) }
    }
  }

  @Test("a login is never carried verbatim")
  func verbatimLogin() throws {
    let freight = Freight(try request(Self.base + "}"), carrier: .verbatim, auth: .login) { "id" }
    let hasTranscript = !freight.transcript.isEmpty
    #expect(hasTranscript)
    let frames = freight.frames.text
    #expect(!frames.contains("messages") && !frames.contains(#""content":".""#))
  }

  @Test(
    "thinking is what it is by default",
    arguments: [
      ("claude-opus-5", true), ("claude-sonnet-5", true), ("claude-sonnet-5-20260301", true),
      ("claude-opus-5[1m]", true),
      ("claude-opus-5-5", false), ("claude-sonnet-5-5", false), ("claude-opus-4-8", false), ("claude-opus-50", false),
    ])
  func thinking(_ model: String, _ isOn: Bool) throws {
    let base = Self.base.replacing("claude-x", with: model)
    #expect(try body(base + "}")["thinking"]?.text == (isOn ? #"{"type":"adaptive"}"# : nil))
    #expect(try body(base + #","thinking":{"type":"disabled"}}"#)["thinking"]?.text == #"{"type":"disabled"}"#)
    #expect(try request(base + #","output_config":{"effort":"max"}}"#).omitsThinking == isOn)
  }

  @Test("a conversation is cached where a stage asks for it")
  func cachingForAStage() throws {
    func sent(_ more: String, _ ctx: String) throws -> JSON? {
      var text = Self.base + more
      var ctx = ctx
      let request = try text.withUTF8 { text in
        try ctx.withUTF8 { try MessagesRequest(payload: text, ctx: $0) }
      }
      var body = ExtraBody(verbatim: request)
      return try JSON.parse(body.take().text)["cache_control"]
    }
    let auto = #"{"op":"messages","cache":"auto"}"#
    #expect(try sent("}", auto)?["type"]?.string == "ephemeral")
    #expect(try sent("}", #"{"op":"messages"}"#) == nil)
    #expect(try sent(#","system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]}"#, auto) == nil)
  }

  @Test("top_p alone stays alone")
  func topP() throws {
    let base = Self.base.replacing("claude-x", with: "claude-sonnet-4-5")
    #expect(try request(base + #","top_p":0.9}"#).omitsThinking)
    #expect(try !request(base + #","top_p":0.9,"temperature":1}"#).omitsThinking)
    #expect(try body(base + #","top_p":0.9}"#)["thinking"]?.text == #"{"type":"disabled"}"#)
    #expect(try body(base + #","top_p":0.9,"thinking":{"type":"enabled","budget_tokens":9}}"#)["thinking"]?.count == 2)
    // Of other models the CLI adds no temperature, and some refuse to have their thinking turned off.
    #expect(try !request(Self.base + #","top_p":0.9}"#).omitsThinking)
    #expect(try body(Self.base + #","top_p":0.9}"#)["thinking"] == nil)
    let made = ChildEnvironment.make(from: [:], auth: .key, client: "c", omitting: [Contract.noThinking])
    #expect(!made.contains { $0.hasPrefix("MAX_THINKING_TOKENS") })
  }

  @Test("a login's reminders stand behind the beginning of an answer")
  func prefill() throws {
    let text =
      #"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#
    #expect(try freight(text, auth: .login).losses == [Loss("messages[1]", "followed by the CLI's reminders")])
    #expect(try freight(text).losses.isEmpty)
  }

  @Test("the client's cache marks keep the CLI's out")
  func caching() throws {
    func disable(_ text: String, _ auth: Auth) throws -> String? {
      try freight(text, auth: auth).frames[1]["request"]?["settings"]?["env"]?["DISABLE_PROMPT_CACHING"]?.string
    }
    let marked =
      #"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"x","#
      + #""cache_control":{"type":"ephemeral"}}]}]}"#
    #expect(try disable(marked, .login) == "1")
    #expect(try disable(Self.base + "}", .login) == "")
    #expect(try disable(Self.base + "}", .key) == "1")
  }

  @Test("images of failed tools are told of")
  func images() throws {
    let losses = try freight(
      #"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","#
        + #""is_error":true,"content":[{"type":"image","source":{}}]}],"name":"x"}]}"#
    ).losses
    #expect(
      losses == [
        Loss("messages[0].name", "dropped"), Loss("messages[0].content[0].content", "dropped images of an error"),
      ])
  }

  @Test(
    "no other attribution stands in for the CLI's own",
    arguments: [
      (#""x-anthropic-billing-header: a; b=1;""#, "system", ""),
      (#""x-anthropic-billing-header: a;\n\nand more""#, "system", "and more"),
      (#"[{"type":"text","text":"x-anthropic-billing-header: a"},{"type":"text","text":"more"}]"#, "system[0]", "more"),
    ])
  func attribution(_ system: String, _ field: String, _ left: String) throws {
    let freight = try freight(Self.base + #","system":"# + system + "}")
    #expect(freight.losses.first == Loss(field, "dropped its first line, another client's attribution"))
    let prompt = try #require(freight.frames[0]["request"]?["systemPrompt"])
    #expect(prompt == JSON(array: left.isEmpty ? [] : [JSON(left)]))
  }

  @Test("marks of calls are told of")
  func marksOfCalls() throws {
    let losses = try freight(
      #"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":["#
        + #"{"type":"text","text":"y","cache_control":{"type":"ephemeral"}},"#
        + #"{"type":"tool_use","id":"t","name":"n","input":{},"cache_control":{"type":"ephemeral"}},"#
        + #"{"type":"tool_use","id":"u","name":"n","input":{},"cache_control":null}]}]}"#
    ).losses
    #expect(losses == [Loss("messages[1].content[1].cache_control", "dropped")])
  }

  @Test(
    "a turn that the CLI takes for an empty one is told of",
    arguments: [
      #""(no content)""#, #""\n(no content) ""#, #"[{"type":"text","text":"(no content)"}]"#,
    ])
  func placeholder(_ content: String) throws {
    let freight = try freight(
      #"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"#
        + content + #"},{"role":"user","content":"y"}]}"#)
    #expect(freight.losses == [Loss("messages[1]", "dropped")])
    #expect(freight.lines.count == 1)
  }

  @Test("beta names come from the client's header")
  func betas() throws {
    let ctx = #"{"http":{"headers":{"anthropic-beta":"a-1, b-2,a-1"}}}"#
    #expect(try request(Self.base + "}", ctx: ctx).betas == ["a-1", "b-2"])
    let odd = try request(Self.base + "}", ctx: #"{"http":{"headers":{"anthropic-beta":"a b,c"}}}"#)
    #expect(odd.betas == ["c"] && odd.losses == [Loss("anthropic-beta", "dropped what is no name")])
  }
}
