// SPDX-License-Identifier: MIT
import JSONText
import Records
import Testing

@testable import HTTPFront

@Suite("what stages get, and what is said of them")
struct StageTests {
  private func names(_ words: [String], _ variables: [String], _ declared: String = "") -> Set<String> {
    var environment = Environment(variables.map { Array($0.utf8) })
    environment.secrets = Secrets(reading: declared)!
    return Set(environment.names(forStage: words))
  }

  @Test(
    "which variables are secrets",
    arguments: [
      ("A_KEY=x", true), ("APIKEY=x", true), ("my_api_key=x", true), ("X_TOKEN_FILE=/x", true), ("PGPASSWORD=x", true),
      ("CLIENT_SECRET=x", true), ("CREDENTIALS_DIRECTORY=/x", true), ("URL=https://ann:pw@host/", true),
      ("U=redis://:pw@host", true), ("AUTH_TOKEN=x", true), ("MAX_TOKENS=5", false), ("KEYBOARD=us", false),
      ("URL=https://host/a@b", false), ("URL=https://host?a@b", false), ("PATH=/bin", false), ("EMPTY=", false),
      ("NO_SIGN", false),
    ])
  func secrets(_ variable: String, _ isSecret: Bool) {
    let name = String(variable.prefix { $0 != "=" })
    #expect(names(["cat"], [variable]).contains(name) != isSecret)
  }

  @Test(
    "a program gets its own, within another program too",
    arguments: [
      (["claude-http"], true), (["/a/b/claude-http", "--x"], true), (["nice", "claude-http"], true),
      (["sh", "-c", "exec claude-http --x"], true), (["sh", "-c", "(a|/b/claude-http;c)"], true),
      (["cat", "exec claude-http"], false), (["claude-https"], false), (["jq", ".claude-http"], false),
      (["claude-pipe", "a | claude-http --x | b"], true), (["/x y/claude-pipe", "'/x y/claude-http' | b"], true),
      (["nice", "claude-pipe", "a | claude-http"], true), (["sh", "-c", "claude-pipe 'a | claude-http'"], true),
      (["claude-pipe", "a | sse-encode"], false), (["claude-pipe", "a 'claude-http b'"], false),
      (["claude-pipe", "a > claude-http"], false), (["claude-pipes", "a | claude-http"], false),
    ])
  func declared(_ words: [String], _ isGiven: Bool) {
    #expect(names(words, ["ANTHROPIC_API_KEY=x"]).contains("ANTHROPIC_API_KEY") == isGiven)
  }

  @Test("a stage within a claude-pipe gets what --stage-env gives its program, as its process does")
  func stageEnvOfOne() {
    #expect(names(["claude-pipe", "model-map | oai2anth"], ["X_KEY=x", "Y_KEY=y"], "model-map=X_KEY") == ["X_KEY"])
  }

  @Test("stages are named and counted one by one, in whatever process they are")
  func groups() throws {
    let commands = try PipelineText.stages(
      of: "/b/claude-pipe '/b/model-map | /b/responses-store load' | jq -c . | claude-pipe 'claude-echo' | sse-encode")
    let groups = StageGroup.all(of: commands)
    #expect(groups.map(\.before) == [0, 2, 3, 4])
    #expect(groups.map(\.isPipe) == [true, false, true, false])
    #expect(groups.flatMap(\.programs) == ["model-map", "responses-store", "jq", "claude-echo", "sse-encode"])
    #expect(
      groups.map(\.name) == [
        "stages 1 to 2, `/b/claude-pipe '/b/model-map | /b/responses-store load'`,", "stage 3, `jq -c .`,",
        "stage 4, `claude-pipe claude-echo`,", "stage 5, `sse-encode`,",
      ])
    #expect(
      groups.map(\.processName) == [
        "/b/claude-pipe, which runs stages 1 to 2 of the pipeline (model-map, responses-store),",
        "stage 3 of the pipeline, jq,", "claude-pipe, which runs stage 4 of the pipeline (claude-echo),",
        "stage 5 of the pipeline, sse-encode,",
      ])
    #expect(groups[0].parts.map(\.name) == ["stage 1, `/b/model-map`,", "stage 2, `/b/responses-store load`,"])
  }

  @Test("a stage's words are shown so that a shell reads them as they were")
  func shown() throws {
    for words in [["a", "b c", ""], ["a", "it's", #"\"#], ["claude-pipe", #"a 'b c' | '/it'\''s/d' "e""#]] {
      #expect(try PipelineText.stages(of: Stage.text(of: words)) == [words])
    }
  }

  @Test(
    "what --stage-env reads",
    arguments: [
      ("a=X_KEY", true), ("/x/a=X_KEY,Y_KEY b=Z", true), ("", true), ("a", false), ("a=", false),
      ("a=AUTH_TOKEN", false), ("a=X-Y", false),
    ])
  func stageEnv(_ text: String, _ isGood: Bool) {
    #expect((Secrets(reading: text) != nil) == isGood)
    if isGood, !text.isEmpty { #expect(names(["/any/a"], ["X_KEY=x"], text) == ["X_KEY"]) }
  }

  @Test(
    "what is said of a line that is no record shows how it starts, and nothing of a prompt",
    arguments: [
      (#"{"request":{"messages":"secret"},"rid":"r1"}"#, #"(starts with: {"request"…). Write "rid" first"#),
      ("{", "does jq lack -c?"), ("got a secret that is longer than that", "(starts with: got a secret that is "),
      (#"{"rid":"r1"}"#, "a record that is not well formed"),
      (#"{"a":"secret"}"#, #"(starts with: {"a"…); does a filter"#),
    ])
  func complaints(_ text: String, _ said: String) {
    var text = text
    let complaint = text.withUTF8 { StageTrial.complaint(of: Line(scanning: $0)!) }
    #expect(complaint.contains(said), "\(complaint)")
    #expect(!complaint.contains("\"secret\""))
  }

  @Test("losses that were only counted are counted")
  func losses() {
    var payload =
      #"{"loss":[{"field":"n","fate":"dropped"}],"loss_more":36,"error":"invalid_request_error","error_param":"n"}"#
    let account = payload.withUTF8 { Account(end: $0) }
    #expect(account.lossTexts == ["n dropped", "and 36 more"])
    #expect(account.error == "invalid_request_error" && account.errorParam == "n")
    #expect(account.merged(with: account).moreLoss == 72)
  }
}
