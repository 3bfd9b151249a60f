// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

/// Translates one request body, field by field.
struct ChatRequestTranslator {
  let request: JSON
  let capabilities: ModelTable.Capabilities
  private let fallbackMaxTokens: Int
  /// How many JSON values may still be made of text in the request.
  private let nodesLeft: Int
  var loss = LossLedger()
  /// The client set no cache mark and did not switch caching off: the backend may set one.
  private(set) var mayCache = false
  /// Some block may have a cache mark.
  private var mayHaveMarks = false
  /// The body that is being made.
  let body = JSON.object

  /// The tools as they are sent, and their names on both sides.
  var tools: [JSON] = []
  var toolNames = ToolNames()
  /// The declared tools as they came, by the client's names.
  var declared: [String: JSON] = [:]
  /// The losses of the tools. Tools are translated before the conversation, but their losses are listed after it.
  var toolLoss = LossLedger()
  var schemaBudget = OutputSchema.Budget()
  /// The schema of all tools that have none of their own: one node.
  let emptySchema = ToolSchema.empty

  init(_ request: JSON, capabilities: ModelTable.Capabilities, maxTokens: Int, nodesLeft: Int) {
    self.nodesLeft = nodesLeft
    self.request = request
    self.capabilities = capabilities
    fallbackMaxTokens = maxTokens
  }

  /// A field's value; null counts as absent, as OpenAI's API has it.
  func field(_ name: StaticString) -> JSON? {
    request[name].flatMap { $0.isNull ? nil : $0 }
  }

  func flag(_ name: StaticString) throws(APIError) -> Bool? {
    guard let value = field(name) else { return nil }
    guard let flag = value.bool else { throw .expected("a boolean", at: "\(name)", got: value) }
    return flag
  }

  mutating func translate() throws(APIError) -> JSON {
    let model = field("model")
    guard let model, model.isString else { throw .expected("a string", at: "model", got: model) }
    let given = field("messages")
    guard let messages = given, messages.isArray else { throw .expected("an array", at: "messages", got: given) }
    guard messages.count > 0 else { throw .invalid("messages: at least one message is required", param: "messages") }

    body["model"] = model
    let maxTokens = try maxTokens()
    body["max_tokens"] = JSON(maxTokens)
    let answerSchema = try compiledFormat()
    try declareTools()
    var conversation = Conversation(
      takesSystemTurns: capabilities.systemTurns, takesPrefill: capabilities.prefill, toolNames, nodesLeft: nodesLeft)
    try conversation.take(messages)
    let turns = conversation.finish()
    toolNames = conversation.tools
    loss.add(conversation.loss)
    mayHaveMarks = conversation.parts.mayHaveMarks

    let system = try systemBlocks(conversation.system)
    try translateTools(called: conversation.called)
    try translateReasoning(maxTokens: maxTokens, conversation)
    try translateSampling()
    let format = translateFormat(answerSchema)
    if let format { system.append(JSON(object: ["type": JSON("text"), "text": JSON(format)])) }
    if system.count > 0 { body["system"] = system }
    body["messages"] = turns
    try translateStop()
    try translateRest()
    passNative()
    translateCaching()
    ledgerUnknown()
    return body
  }

  /// The client's own `system` (Anthropic's field, sent by `extra_body`) before the hoisted messages.
  private mutating func systemBlocks(_ hoisted: JSON) throws(APIError) -> JSON {
    guard let own = field("system") else { return hoisted }
    var parts = ContentParts()
    let blocks = JSON(array: try parts.blocks(own, path: "system", of: .system))
    loss.add(parts.loss)
    mayHaveMarks = mayHaveMarks || parts.mayHaveMarks
    for block in hoisted.elements { blocks.append(block) }
    return blocks
  }

  private func maxTokens() throws(APIError) -> Int {
    for name in ["max_completion_tokens", "max_tokens"] {
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

  private mutating func translateRest() throws(APIError) {
    if let n = field("n") {
      guard let number = n.wholeNumber else { throw .expected("an integer", at: "n", got: n) }
      guard number == 1 else { throw .invalid("n: only 1 is possible here", param: "n") }
    }
    if let stream = try flag("stream") { body["stream"] = JSON(stream) }
    if let options = field("stream_options"), !options.isObject {
      throw .expected("an object", at: "stream_options", got: options)
    }
    translateUser()
    if let tier = field("service_tier") {
      if tier.equals("auto") {
        body["service_tier"] = tier
      } else if tier.equals("default") {
        body["service_tier"] = JSON("standard_only")
      } else if tier.equals("standard_only") {
        body["service_tier"] = tier
      } else {
        loss.dropped("service_tier")
      }
    }
    // Claude gives no sound; the text that was asked for with it is given.
    if let modalities = field("modalities") {
      guard modalities.isArray else { throw .expected("an array", at: "modalities", got: modalities) }
      if modalities != JSON(array: [JSON("text")]) { loss.dropped("modalities") }
    }
    if field("audio") != nil { loss.dropped("audio") }
  }

  /// Corrects the cache marks, and finds out whether the backend may set one.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/guides/prompt-caching>
  private mutating func translateCaching() {
    let marks = CacheMarks(correcting: body, isInContent: mayHaveMarks)
    loss.add(marks.loss)
    mayCache = marks.isEmpty
    guard let options = field("prompt_cache_options") else { return }
    guard options.isObject else { return loss.dropped("prompt_cache_options") }
    for (name, value) in options.members where !value.isNull {
      if name == "mode", value.equals("explicit") {
        // Only the marks that are there, and none where there are none.
        mayCache = false
      } else if name == "mode", value.equals("implicit") {
        if !marks.isEmpty { loss.dropped("prompt_cache_options.mode") }
      } else if name == "mode" || name == "ttl" {
        continue
      } else {
        loss.add("prompt_cache_options.\(name)", "dropped", isKnown: false)
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
  private mutating func translateUser() {
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
  private static let native: Set<String> = [
    "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
    "fallback_credit_token", "fallbacks", "inference_geo", "mcp_servers", "speed", "thread", "user_profile_id",
    "workspace_id",
  ]

  private func passNative() {
    var names: [String] = []
    for (name, value) in request.members where !value.isNull && Self.native.contains(name) { names.append(name) }
    for name in names.sorted() { body[name] = request[name] }
  }

  /// Fields that are translated somewhere above.
  private static let handled: Set<String> = [
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "n", "stream",
    "stream_options", "user", "safety_identifier", "reasoning_effort", "response_format", "service_tier", "tools",
    "tool_choice", "parallel_tool_calls", "functions", "function_call", "metadata", "modalities", "audio", "system",
    "thinking", "output_config", "top_k", "stop_sequences", "prompt_cache_options",
  ]

  /// OpenAI's fields without a counterpart, each with the value that asks for nothing.
  private static let withoutCounterpart: [String: JSONShape] = [
    "seed": .any, "logprobs": .isFalse, "top_logprobs": .zero, "logit_bias": .empty, "frequency_penalty": .zero,
    "presence_penalty": .zero, "prediction": .any, "store": .isFalse, "verbosity": .any, "moderation": .any,
    "prompt_cache_key": .any, "prompt_cache_retention": .any,
    "web_search_options": .any,
  ]

  /// A value that asks for nothing, so that leaving it out is exact.
  private enum JSONShape {
    case any, isFalse, zero, empty

    func isNeutral(_ value: JSON) -> Bool {
      switch self {
      case .any: false
      case .isFalse: value.bool == false
      case .zero: value.number == 0
      case .empty: value.isObject && value.count == 0
      }
    }
  }

  private mutating func ledgerUnknown() {
    for (name, value) in request.members
    where !Self.handled.contains(name) && !Self.native.contains(name) && !value.isNull {
      if let shape = Self.withoutCounterpart[name] {
        if !shape.isNeutral(value) { loss.dropped(name) }
      } else {
        loss.add(name, "dropped", isKnown: false)
      }
    }
    if let options = field("stream_options") {
      for (name, value) in options.members where name != "include_usage" && !value.isNull {
        if name == "include_obfuscation", value.bool == false { continue }
        // Padding against side channels; there is none to ask the Messages API for.
        loss.add("stream_options.\(name)", "dropped", isKnown: name == "include_obfuscation")
      }
    }
  }
}
