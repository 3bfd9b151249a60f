// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Models
import Records
import Testing
import Translation

/// Whatever a chat client sends, oai2anth answers 400 or makes a request that the Messages API takes.
@Suite("generated requests")
struct RequestTests {
  @Test("are refused, or made fit for the Messages API", arguments: Cases.batches)
  func requests(_ batch: Int) throws {
    let models = try ModelTable.builtIn()
    var refused = 0
    let seeds = Cases.seeds(batch, of: 2000)
    for seed in seeds {
      var conversations = Conversations(seed: seed)
      let request = conversations.request().text
      do {
        if try !check(request, conversations.words, models) { refused += 1 }
      } catch {
        Issue.record("seed \(seed): \(error)\nof \(request)")
        return
      }
    }
    // Most must get through, or nothing is shown.
    #expect(refused < seeds.count / 4)
  }

  /// Whether the request was taken.
  private func check(_ request: String, _ words: [(word: String, excuse: String?)], _ models: ModelTable) throws -> Bool
  {
    let given = try JSON.parse(request)
    let same = try Array(request.utf8).withUnsafeBufferPointer { try JSON.parseReference($0) }
    try hold("the lexer reads what Jansson's reads", given == same)
    let line = Array(#"{"rid":"r","ctx":{"op":"messages","dialect":"openai"},"request":\#(request)}"#.utf8) + [0x0A]
    let output = said(by: ChatRequestToMessages(models: models), of: line)
    try hold("the same bytes twice", output == said(by: ChatRequestToMessages(models: models), of: line))
    let records = try Said.records(output)
    if records.map(\.kind) == ["error", "end"] {
      try hold("a refusal is a 400", records[0].payload["status"]?.integer == 400)
      return false
    }
    try hold("one request comes out", records.map(\.kind) == ["request"])
    let body = records[0].payload
    try Structure(body, models.capabilities(of: body["model"]?.string ?? ""), of: given)
      .check()

    let loss = try JSON.parse(output)["ctx"]?["loss"]
    let fields = Set(loss?.elements.compactMap { $0["field"]?.string } ?? [])
    let text = body.text
    for (word, excuse) in words where request.contains(word) && !text.contains(word) {
      try hold("\(word) is lost in silence", excuse.map(fields.contains) ?? false)
    }
    return true
  }

}

/// The rules of the Messages API that a body can be held to without asking it.
private struct Structure {
  let body: JSON
  let capabilities: ModelTable.Capabilities
  let isLimitNamed: Bool
  let isThinkingOwn: Bool
  /// The roles of the messages that the client sent.
  let asked: [String]
  var ids: Set<String> = []

  init(_ body: JSON, _ capabilities: ModelTable.Capabilities, of request: JSON) {
    self.body = body
    self.capabilities = capabilities
    isLimitNamed = request["max_tokens"]?.isNull == false
    isThinkingOwn = request["thinking"]?.isNull == false
    asked = request["messages"]?.elements.map { $0["role"]?.string ?? "" } ?? []
  }

  func check() throws {
    var copy = self
    try copy.checkParameters()
    try copy.checkTurns()
  }

  private func checkParameters() throws {
    let limit = body["max_tokens"]?.integer
    try hold("max_tokens is there", limit != nil)
    if let temperature = body["temperature"]?.number {
      try hold("temperature lies in 0...1", (0...1).contains(temperature))
      try hold("temperature only where it is taken", capabilities.sampling)
    }
    // A client that names both, or more than there is, has its own way.
    if let budget = body["thinking"]?["budget_tokens"]?.integer, let limit, !isThinkingOwn || !isLimitNamed {
      try hold("the budget \(budget) lies below \(limit)", budget < limit || budget == .max)
    }
    for block in body["system"]?.elements.map({ $0 }) ?? [] {
      try hold("system holds text", block["type"]?.equals("text") == true)
      try checkText(block)
    }
    for tool in body["tools"]?.elements.map({ $0 }) ?? [] {
      try hold("a schema says its type", tool["input_schema"]?["type"] != nil)
    }
    if let choice = body["tool_choice"] {
      try hold("a choice only among tools", (body["tools"]?.count ?? 0) > 0)
      let isForced = choice["type"]?.equals("any") == true || choice["type"]?.equals("tool") == true
      try hold("no forced choice where it is refused", !isForced || capabilities.forcedToolChoice)
    }
    for stop in body["stop_sequences"]?.elements.map({ $0 }) ?? [] {
      try hold("a stop sequence can be seen", Self.isVisible(stop.string ?? ""))
    }
  }

  private mutating func checkTurns() throws {
    let turns = body["messages"]?.elements.map { $0 } ?? []
    try hold("there are messages", !turns.isEmpty)
    try hold("a user begins", turns[0]["role"]?.equals("user") == true)
    var last = ""
    var calls: Set<String> = []
    for turn in turns {
      let role = turn["role"]?.string ?? ""
      try hold("roles are known", ["user", "assistant"].contains(role) || role == "system" && capabilities.systemTurns)
      try hold("roles take turns", role != last)
      let blocks = turn["content"]?.elements.map { $0 } ?? []
      try hold("no turn is empty", !blocks.isEmpty)
      let results = blocks.prefix { Self.type($0) == "tool_result" }
      let rest = blocks.dropFirst(results.count)
      try hold("results come first", !rest.contains { Self.type($0) == "tool_result" })
      try hold("results belong to users", role == "user" || results.isEmpty)
      let answered = results.compactMap { $0["tool_use_id"]?.string }
      try hold(
        "each call has one result: \(calls), \(answered)", Set(answered) == calls && answered.count == calls.count)
      for result in results where result["content"]?.isArray == true {
        for block in result["content"]!.elements { try check(block, in: "user") }
      }
      calls = []
      for block in rest {
        try check(block, in: role)
        guard Self.type(block) == "tool_use" else { continue }
        let id = block["id"]?.string ?? ""
        try hold("the id \(id) is fit", !id.isEmpty && id.utf8.allSatisfy(Self.isPlain))
        try hold("the id \(id) is the only one", ids.insert(id).inserted)
        try hold("the input is an object", block["input"]?.isObject == true)
        calls.insert(id)
      }
      last = role
    }
    try hold("no call is left", calls.isEmpty)
    try hold("tools are there where one was called", ids.isEmpty || (body["tools"]?.count ?? 0) > 0)
    if last == "assistant", let block = turns.last?["content"]?.elements.map({ $0 }).last, Self.type(block) == "text" {
      let text = block["text"]?.string ?? ""
      try hold("no white space at the end", text.unicodeScalars.last?.properties.isWhitespace == false)
      try hold("an assistant's text ends it only where the model goes on with it", capabilities.prefill)
      try hold("the client wanted that", asked.last == "assistant")
    }
    let marks = turns.flatMap { $0["content"]?.elements.map { $0 } ?? [] }.filter { $0["cache_control"] != nil }
    try hold("at most four cache marks", marks.count <= 4)
  }

  private func check(_ block: JSON, in role: String) throws {
    switch Self.type(block) {
    case "text": try checkText(block)
    case "image", "document": try hold("images belong to users", role == "user")
    case "tool_use", "redacted_thinking": try hold("calls belong to assistants", role == "assistant")
    case "thinking": try hold("thinking is signed", role == "assistant" && block["signature"]?.isString == true)
    case let type: throw Wrong("a block of type \(type) is unexpected")
    }
  }

  private func checkText(_ block: JSON) throws {
    try hold("text can be seen", Self.isVisible(block["text"]?.string ?? ""))
  }

  private static func type(_ block: JSON) -> String { block["type"]?.string ?? "" }

  private static func isVisible(_ text: String) -> Bool {
    !text.unicodeScalars.allSatisfy { $0.properties.isWhitespace }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte == 0x5F || byte == 0x2D || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
      || (0x61...0x7A).contains(byte)
  }
}
