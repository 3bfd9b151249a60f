// SPDX-License-Identifier: MIT
import Models
import Records
import Testing

@Suite("model table")
struct ModelTableTests {
  private static func table(_ text: String, foreignNames: Bool = true) throws -> ModelTable {
    try Array(text.utf8).withUnsafeBufferPointer { try ModelTable(parsing: $0, foreignNames: foreignNames) }
  }

  @Test("every successor in the built-in table is a current model, and so is the default")
  func successors() throws {
    let table = try ModelTable.builtIn()
    let current = Set(table.models.map(\.id))
    #expect(current.contains(table.defaultModel))
    for name in [
      "opus", "sonnet", "haiku", "fable", "claude-3-opus-20240229", "claude-3-5-sonnet-20241022",
      "claude-3-haiku-20240307",
      "claude-opus-4-20250514", "claude-sonnet-4-20250514", "claude-2.1", "claude-instant-1.2", "gpt-4o", "gpt-4o-mini",
      "gpt-3.5-turbo", "chatgpt-4o-latest", "o1", "o3-mini", "o4-mini",
    ] {
      #expect(current.contains(table.effective(name)), "\(name)")
    }
  }

  @Test(
    "ids as of November 2026",
    arguments: [
      "claude-fable-5-2", "claude-fable-5-1", "claude-fable-5", "claude-mythos-5-2", "claude-mythos-5-1",
      "claude-mythos-5", "claude-haiku-5-5", "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-sonnet-5-5",
      "claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5", "claude-opus-5-5", "claude-opus-5",
      "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-opus-4-5", "claude-opus-4-5-20251101",
    ])
  func current(_ id: String) throws {
    let table = try ModelTable.builtIn()
    #expect(table.effective(id) == id)
    #expect(table.models.contains { $0.id == id })
  }

  @Test("what the models take, as the translation's table says")
  func capabilities() throws {
    let table = try ModelTable.builtIn()
    func ids(_ takes: (ModelTable.Capabilities) -> Bool) -> Set<String> {
      Set(table.models.filter { takes($0.capabilities) }.map(\.id))
    }
    let before46: Set = [
      "claude-opus-4-5", "claude-opus-4-5-20251101", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929",
      "claude-haiku-4-5",
      "claude-haiku-4-5-20251001",
    ]
    let all = Set(table.models.map(\.id))
    #expect(ids { $0.sampling } == before46.union(["claude-opus-4-6", "claude-sonnet-4-6"]))
    #expect(
      ids { !$0.forcedToolChoice } == [
        "claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1", "claude-fable-5-2", "claude-mythos-5-1",
        "claude-mythos-5-2",
      ])
    #expect(ids { $0.adaptiveThinking } == all.subtracting(before46))
    #expect(ids { $0.effort.contains("max") } == all.subtracting(before46))
    #expect(
      ids { $0.effort.contains("xhigh") }
        == all.subtracting(before46).subtracting(["claude-opus-4-6", "claude-sonnet-4-6"]))
    #expect(ids { $0.structuredOutput } == all)
    #expect(ids { $0.output == 64_000 } == before46)
    #expect(ids { $0.output == 128_000 } == all.subtracting(before46))
  }

  @Test(
    "names in another vendor's dress",
    arguments: [
      ("anthropic/claude-opus-4-7", "claude-opus-4-7"), ("openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
      ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
      ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929"), ("claude:opus", "claude-opus-5-5"),
      ("CLAUDE-OPUS-5", "claude-opus-5"), ("claude-haiku-latest", "claude-haiku-5-5"),
      ("claude-4-6-sonnet", "claude-sonnet-4-6"), ("openai/gpt-4o", "claude-sonnet-5-5"),
      ("claude-new-7.1", "claude-new-7-1"), ("mistral/large:free", "mistral/large:free"), ("", ""), (":", ":"),
      ("/", "/"), ("[1m]", "[1m]"), ("anthropic.", "anthropic."), ("@", "@"),
    ])
  func dressedNames(_ name: String, _ model: String) throws {
    #expect(try ModelTable.builtIn().effective(name) == model)
  }

  @Test("what a name asks for besides")
  func wishes() throws {
    let table = try ModelTable.builtIn()
    #expect(table.resolve("sonnet[1m]").wantsMillion && table.resolve("claude-opus-5:1m").wantsMillion)
    #expect(table.resolve("claude-opus-5:thinking").wantsThinking && !table.resolve("claude-opus-5").wantsThinking)
    #expect(table.resolve("claude-opus-5:online").routing == ":online")
    let long = String(repeating: "claude-", count: 100_000)
    #expect(table.effective(long) == long)
  }

  @Test("nothing is assumed of a model that isn't known")
  func unknown() throws {
    let capabilities = try ModelTable.builtIn().capabilities(of: "llama-3")
    #expect(capabilities.output == nil)
    #expect(capabilities.sampling && capabilities.forcedToolChoice)
    #expect(!capabilities.adaptiveThinking && !capabilities.structuredOutput && !capabilities.systemTurns)
  }

  @Test(
    "patterns",
    arguments: [
      ("a", "A"), ("a-x", "B"), ("a-", "B"), ("x-mini-y", "C"), ("x-mini", "C"), ("mini", "C"), ("other", "other"),
      ("", ""),
    ])
  func patterns(_ name: String, _ effective: String) throws {
    let table = try Self.table(
      #"{"default":"A","models":[{"id":"A"}],"names":[["a","A"],["a-*","B"],["*mini*","C"]]}"#)
    #expect(table.effective(name) == effective)
  }

  @Test("an exact id wins over a pattern, and foreign names can be switched off")
  func precedence() throws {
    let text = #"{"default":"A","models":[{"id":"A"}],"names":[["*","B"]],"foreign_names":[["gpt","C"]]}"#
    #expect(try Self.table(text).effective("A") == "A")
    let other = #"{"default":"A","models":[{"id":"A"}],"foreign_names":[["gpt","C"]]}"#
    #expect(try Self.table(other).effective("gpt") == "C")
    #expect(try Self.table(other, foreignNames: false).effective("gpt") == "gpt")
  }

  @Test(
    "a table that is wrong is a matter of configuration",
    arguments: [
      "", "7", "{}", #"{"default":"A"}"#, #"{"models":[]}"#, #"{"default":"A","models":{}}"#,
      #"{"default":"A","models":[{}]}"#, #"{"default":"A","models":[],"names":[["a"]]}"#,
      #"{"default":"A","models":[],"names":[["a",7]]}"#, #"{"default":"A","models":["#,
    ])
  func wrong(_ text: String) {
    let failure = #expect(throws: Failure.self) { try Self.table(text) }
    #expect(failure?.kind == .configuration)
  }
}
