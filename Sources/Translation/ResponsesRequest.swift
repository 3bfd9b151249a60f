// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

// A request for a response.
extension RequestTranslator {
  /// What the store has done with a request before it came here.
  struct StoredContext {
    /// The response is to be kept.
    var keeps = false
    /// The earlier response whose items were put in front of the input.
    var previous: String?

    init(_ ctx: ByteSlice?) {
      guard let note = ctx.flatMap({ Scan.member("responses-store", of: $0) }) else { return }
      keeps = Scan.member("key", of: note) != nil
      previous = Scan.plainString(Scan.member("previous", of: note))?.text
    }
  }

  mutating func translateResponse(_ stored: StoredContext) throws(APIError) -> JSON {
    try translateModel()
    try refuseWhatNeedsAStore(stored)
    let input = field("input")
    if let input, !input.isString, !input.isArray { throw .expected("a string or an array", at: "input", got: input) }
    let first = try instructions()
    if input == nil || (input!.isArray && input!.count == 0), first.isEmpty {
      throw .invalid("input: a text or at least one item is required", param: "input")
    }
    for name: StaticString in ["reasoning", "text"] {
      if let value = field(name), !value.isObject { throw .expected("an object", at: "\(name)", got: value) }
    }
    try checkRepeated()

    let maxTokens = try maxTokens()
    body["max_tokens"] = JSON(maxTokens)
    try takeUpdates(input)
    let answerSchema = try compiledFormat()
    try declareResponsesTools(input)
    showsThinking = summary
    var conversation = conversation()
    if let input, input.isArray {
      try conversation.take(items: input)
    } else if let input {
      conversation.take(text: input)
    }
    try finish(&conversation, maxTokens: maxTokens, answerSchema, first: first)
    try translateRest(stored)
    passNative()
    try translateCaching()
    ledgerUnknown()
    return body
  }

  /// Refuses a request for something that is not supported, where an answer without it would be wrong.
  private func refuseWhatNeedsAStore(_ stored: StoredContext) throws(APIError) {
    if let id = field("previous_response_id") {
      guard let id = id.string else { throw .expected("a string", at: "previous_response_id", got: id) }
      guard id == stored.previous else {
        throw APIError(
          status: 400,
          "previous_response_id: the response \(id.clipped) is not kept here; "
            + "send the whole conversation as input, or switch the store on (RESPONSES_STORE=on)",
          param: "previous_response_id", code: "previous_response_not_found")
      }
    }
    if try flag("background") == true {
      throw .invalid("background: not supported; leave it out and read the answer as a stream", param: "background")
    }
    if field("prompt") != nil {
      throw .invalid("prompt: prompt templates are not supported; send instructions and input", param: "prompt")
    }
    if field("conversation") != nil {
      throw .invalid(
        "conversation: not supported; use previous_response_id, or send the whole conversation as input",
        param: "conversation")
    }
  }

  /// What the response repeats must be what clients expect there, also where nothing is made of it here.
  private func checkRepeated() throws(APIError) {
    for path in Self.repeatedTexts {
      if let value = field(at: path), !value.isString { throw .expected("a string", at: path, got: value) }
    }
    if let value = field("metadata"), !value.isObject { throw .expected("an object", at: "metadata", got: value) }
    if let value = field("top_logprobs"), value.wholeNumber == nil {
      throw .expected("an integer", at: "top_logprobs", got: value)
    }
  }

  private static let repeatedTexts = [
    "prompt_cache_key", "prompt_cache_retention", "reasoning.effort", "reasoning.generate_summary",
    "reasoning.summary", "safety_identifier", "service_tier", "text.verbosity", "truncation", "user",
  ]

  private func instructions() throws(APIError) -> [JSON] {
    guard let words = field("instructions") else { return [] }
    guard words.isString else { throw .expected("a string", at: "instructions", got: words) }
    return ContentParts(names).text(words, nil).map { [$0] } ?? []
  }

  /// Items in mid-conversation may change how the model reasons, and the form of the answer; the last one holds.
  private mutating func takeUpdates(_ input: JSON?) throws(APIError) {
    for (index, item) in (input ?? .null).elements.enumerated()
    where item["type"]?.equals("configuration_update") == true {
      for (name, member) in [("reasoning", "effort"), ("text", "format")] {
        guard let given = item[name], !given.isNull else { continue }
        guard given.isObject else { throw .expected("an object", at: "input[\(index)].\(name)", got: given) }
        noteRest(of: given, "input.\(name)", known: [member])
        guard let value = given[member], !value.isNull else { continue }
        let path = "input[\(index)].\(name).\(member)"
        if name == "text" {
          (update.format, update.formatPath) = (value, path)
        } else {
          guard value.isString else { throw .expected("a string", at: path, got: value) }
          update.effort = value
        }
      }
    }
  }

  /// Whether the thinking is to be summarized for the client.
  var summary: Bool {
    guard let reasoning = field("reasoning") else { return false }
    return [reasoning["summary"], reasoning["generate_summary"]].contains { $0.map { !$0.isNull } ?? false }
  }

  /// Whether the client asks for reasoning at all.
  var asksToReason: Bool {
    if let effort = update.effort ?? field(at: names.effort) { return !effort.equals("none") }
    return summary
  }

  private mutating func translateRest(_ stored: StoredContext) throws(APIError) {
    noteReasoning()
    if let text = field("text") {
      noteRest(of: text, "text", known: ["format", "verbosity"])
      if let verbosity = text["verbosity"], !verbosity.isNull { loss.dropped("text.verbosity") }
    }
    try translateStream()
    translateUser()
    translateServiceTier()
    try noteIncluded()
    // Without a store in the pipeline, nothing keeps the response.
    if try flag("store") == true, !stored.keeps { loss.dropped("store") }
    if let truncation = field("truncation"), !truncation.equals("disabled") { loss.dropped("truncation") }
    if let most = field("max_tool_calls"), sentByType["web_search"] == nil {
      guard most.wholeNumber != nil else { throw .expected("an integer", at: "max_tool_calls", got: most) }
      loss.dropped("max_tool_calls")
    }
  }

  private mutating func noteReasoning() {
    guard let reasoning = field("reasoning") else { return }
    for (name, value) in reasoning.members where !value.isNull {
      switch name {
      case "effort": break
      case "summary", "generate_summary":
        if !value.equals("auto") {
          loss.approximated("reasoning.\(name)", "the summary is as long as the model makes it")
        }
      // All of the reasoning that the client sends goes to the model.
      case "context": if !value.equals("auto"), !value.equals("all_turns") { loss.dropped("reasoning.context") }
      case "mode": if !value.equals("standard") { loss.dropped("reasoning.mode") }
      default: loss.add("reasoning.\(name)", "dropped", isKnown: false)
      }
    }
  }

  static let encryptedReasoning: StaticString = "reasoning.encrypted_content"

  private mutating func noteIncluded() throws(APIError) {
    guard let list = field("include") else { return }
    guard list.isArray else { throw .expected("an array", at: "include", got: list) }
    for (index, name) in list.elements.enumerated() where !name.equals(Self.encryptedReasoning) {
      guard let name = name.string else { throw .expected("a string", at: "include[\(index)]", got: name) }
      loss.add("include", "dropped \(name.clipped)")
    }
  }
}
