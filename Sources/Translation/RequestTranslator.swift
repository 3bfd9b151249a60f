// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

/// Translates one request body of either of OpenAI's APIs, field by field.
struct RequestTranslator {
  let names: FieldNames
  let request: JSON
  let capabilities: ModelTable.Capabilities
  let fallbackMaxTokens: Int
  /// How many JSON values may still be made of text in the request.
  let nodesLeft: Int
  var loss = LossLedger()
  /// The client set no cache mark and did not switch caching off: the backend may set one.
  private(set) var mayCache = false
  /// Some block may have a cache mark.
  var mayHaveMarks = false
  /// The body that is being made.
  let body = JSON.object

  /// The tools as they are sent, and their names on both sides.
  var tools: [JSON] = []
  var toolNames = ToolNames()
  /// The declared tools as they came, and their places among those that are sent.
  var declared: [ToolKey: (tool: JSON, place: Int)] = [:]
  /// The names that are sent for the tools that a choice names by their type, or by the name that they have in common.
  var sentByType: [String: [String]] = [:]
  var sentByNamespace: [String: [String]] = [:]
  /// The types of tools that were left out.
  var unsupported: Set<String> = []
  /// What is said of each namespace of tools, in words.
  var namespaceWords: [String] = []
  /// The losses of the tools. Tools are translated before the conversation, but their losses are listed after it.
  var toolLoss = LossLedger()
  var schemaBudget = OutputSchema.Budget()
  /// The schema of all tools that have none of their own: one node.
  let emptySchema = ToolSchema.empty
  /// The reasoning and the form of the answer that an item in mid-conversation asks for.
  var update: (effort: JSON?, format: JSON?, formatPath: String?)
  /// Whether the text of the thinking is to be shown; nil leaves it to the effort.
  var showsThinking: Bool?

  init(
    _ request: JSON, _ names: FieldNames, capabilities: ModelTable.Capabilities, maxTokens: Int, nodesLeft: Int
  ) {
    self.names = names
    self.nodesLeft = nodesLeft
    self.request = request
    self.capabilities = capabilities
    fallbackMaxTokens = maxTokens
  }

  /// A field's value; null counts as absent, as OpenAI's API has it.
  func field(_ name: StaticString) -> JSON? {
    request[name].flatMap { $0.isNull ? nil : $0 }
  }

  /// The value of a field by its path, such as `text.format`.
  func field(at path: String) -> JSON? {
    var value = request
    // In bytes, because to split a string into characters is much slower.
    for name in path.utf8.split(separator: UInt8(ascii: ".")) {
      guard let inner = value[String(Substring(name))], !inner.isNull else { return nil }
      value = inner
    }
    return value
  }

  func flag(_ name: StaticString) throws(APIError) -> Bool? {
    guard let value = field(name) else { return nil }
    guard let flag = value.bool else { throw .expected("a boolean", at: "\(name)", got: value) }
    return flag
  }

  // MARK: The steps that both have

  mutating func translateModel() throws(APIError) {
    let model = field("model")
    guard let model, model.isString else { throw .expected("a string", at: "model", got: model) }
    body["model"] = model
  }

  func conversation() -> Conversation {
    Conversation(
      names, takesSystemTurns: capabilities.systemTurns, takesPrefill: capabilities.prefill, toolNames,
      nodesLeft: nodesLeft)
  }

  /// All that follows once the conversation is known.
  ///
  /// - Parameter first: system text that stands before that of the conversation.
  mutating func finish(
    _ conversation: inout Conversation, maxTokens: Int, _ answerSchema: AnswerSchema?, first: [JSON] = []
  ) throws(APIError) {
    let turns = conversation.finish()
    toolNames = conversation.tools
    loss.add(conversation.loss)
    mayHaveMarks = mayHaveMarks || conversation.parts.mayHaveMarks

    let system = try systemBlocks(first, conversation.system)
    try translateTools(called: conversation.called)
    try translateReasoning(maxTokens: maxTokens, conversation)
    try translateSampling()
    for words in namespaceWords { system.append(Self.text(words)) }
    if let format = translateFormat(answerSchema) { system.append(Self.text(format)) }
    if system.count > 0 { body["system"] = system }
    body["messages"] = turns
    try translateStop()
  }

  private static func text(_ words: String) -> JSON { JSON(object: ["type": JSON("text"), "text": JSON(words)]) }

  /// The client's own `system` (Anthropic's field, sent by `extra_body`) before the hoisted messages.
  private mutating func systemBlocks(_ first: [JSON], _ hoisted: JSON) throws(APIError) -> JSON {
    let own = field("system")
    guard own != nil || !first.isEmpty else { return hoisted }
    let blocks = JSON(array: first)
    if let own {
      var parts = ContentParts(names)
      for block in try parts.blocks(own, path: "system", of: .system) { blocks.append(block) }
      loss.add(parts.loss)
      mayHaveMarks = mayHaveMarks || parts.mayHaveMarks
    }
    for block in hoisted.elements { blocks.append(block) }
    return blocks
  }

  func maxTokens() throws(APIError) -> Int {
    for name in names.limits {
      guard let value = request[name], !value.isNull else { continue }
      guard let count = value.wholeNumber else { throw .expected("an integer", at: name, got: value) }
      guard count >= 0 else { throw .invalid("\(name): \(count) is no limit", param: name) }
      return count
    }
    let usual = min(capabilities.output ?? fallbackMaxTokens, fallbackMaxTokens)
    // Thinking counts towards the limit, which must lie above its budget.
    let budget = field("thinking")?["budget_tokens"]?.wholeNumber ?? 0
    let (above, overflows) = budget.addingReportingOverflow(usual)
    return budget < usual || overflows ? usual : min(above, max(usual, capabilities.output ?? above))
  }

  private mutating func translateStop() throws(APIError) {
    let sequences = JSON.array
    // The second is Anthropic's own name for it.
    for name in ["stop", "stop_sequences"] {
      guard let stop = request[name], !stop.isNull else { continue }
      let given = stop.isArray ? stop : JSON(array: [stop])
      for (index, sequence) in given.elements.enumerated() {
        guard let text = sequence.string else {
          let expected = stop.isArray ? "a string" : "a string or an array"
          throw .expected(expected, at: "\(name)\(stop.isArray ? "[\(index)]" : "")", got: sequence, param: name)
        }
        // The Messages API refuses sequences without visible text.
        if text.allSatisfy(\.isWhitespace) { loss.dropped(name) } else { sequences.append(sequence) }
      }
    }
    if sequences.count > 0 { body["stop_sequences"] = sequences }
  }

  mutating func translateStream() throws(APIError) {
    if let stream = try flag("stream") { body["stream"] = JSON(stream) }
    if let options = field("stream_options"), !options.isObject {
      throw .expected("an object", at: "stream_options", got: options)
    }
  }

  mutating func translateServiceTier() {
    guard let tier = field("service_tier") else { return }
    if tier.equals("auto") || tier.equals("standard_only") {
      body["service_tier"] = tier
    } else if tier.equals("default") {
      body["service_tier"] = JSON("standard_only")
    } else {
      loss.dropped("service_tier")
    }
  }

  /// Corrects the cache marks, and finds out whether the backend may set one.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/guides/prompt-caching>
  mutating func translateCaching() throws(APIError) {
    let marks = CacheMarks(correcting: body, isInContent: mayHaveMarks, names)
    loss.add(marks.loss)
    mayCache = marks.isEmpty
    guard let options = field("prompt_cache_options") else { return }
    guard options.isObject else { throw .expected("an object", at: "prompt_cache_options", got: options) }
    for name: StaticString in ["mode", "ttl"] {
      if let value = options[name], !value.isNull, !value.isString {
        throw .expected("a string", at: "prompt_cache_options.\(name)", got: value)
      }
    }
    for (name, value) in options.members where !value.isNull {
      if name == "mode", value.equals("explicit") {
        // Only the marks that are there, and none where there are none.
        mayCache = false
      } else if name == "mode", value.equals("implicit") {
        if !marks.isEmpty { loss.dropped("prompt_cache_options.mode") }
      } else if name == "mode" || name == "ttl" {
        continue
      } else {
        let neutral = names.droppedOfCaching[name]
        if neutral?.includes(value) == true { continue }
        loss.add("prompt_cache_options.\(name)", "dropped", isKnown: neutral != nil)
      }
    }
    if let mode = options["mode"], !mode.isNull, !mode.equals("explicit"), !mode.equals("implicit") {
      loss.dropped("prompt_cache_options.mode")
    }
    // OpenAI's half an hour is more than the five minutes of the mark that the backend sets.
    if mayCache, let ttl = options["ttl"], !ttl.isNull {
      loss.approximated("prompt_cache_options.ttl", "a cache mark of five minutes")
    }
  }

  /// `user` and `safety_identifier` name the end user; the Messages API asks for no name, address or number there.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/messages#body-metadata-user-id>
  mutating func translateUser() {
    if let metadata = field("metadata") {
      if metadata.count == 1, metadata["user_id"]?.isString == true {
        body["metadata"] = metadata
      } else if !metadata.isObject || metadata.count > 0 {
        loss.dropped("metadata")
      }
    }
    for name in ["safety_identifier", "user"] {
      guard let value = request[name], !value.isNull else { continue }
      guard let text = value.string else {
        loss.dropped(name)
        continue
      }
      if body["metadata"] != nil || text.isEmpty || Self.looksPersonal(text) {
        if !text.isEmpty, body["metadata"]?["user_id"] != value { loss.dropped(name) }
      } else {
        body["metadata"] = JSON(object: ["user_id": value])
      }
    }
  }

  static func looksPersonal(_ text: String) -> Bool {
    if text.contains("@") { return true }
    let digits = text.filter(\.isNumber).count
    return digits >= 7 && text.allSatisfy { $0.isNumber || " +-().".contains($0) }
  }

  /// Anthropic's own fields, which OpenAI's SDKs send by `extra_body`.
  func passNative() {
    var found: [String] = []
    for (name, value) in request.members where isNative(name, value) { found.append(name) }
    for name in found.sorted() { body[name] = request[name] }
  }

  private func isNative(_ name: String, _ value: JSON) -> Bool {
    !value.isNull && FieldNames.native.contains(name) && !names.isOwn(name, value)
  }

  mutating func ledgerUnknown() {
    for (name, value) in request.members
    where !value.isNull && !names.handled.contains(name) && !isNative(name, value) {
      if let neutral = names.withoutCounterpart[name] {
        if !neutral.includes(value) { loss.dropped(name) }
      } else {
        loss.add(name, "dropped", isKnown: false)
      }
    }
    if let options = field("stream_options") {
      for (name, value) in options.members where !value.isNull {
        if name == "include_usage", names.hasUsageOption { continue }
        if name == "include_obfuscation", value.bool == false { continue }
        // Padding against side channels; there is none to ask the Messages API for.
        loss.add("stream_options.\(name)", "dropped", isKnown: name == "include_obfuscation")
      }
    }
  }
}
