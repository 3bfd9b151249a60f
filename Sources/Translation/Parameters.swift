// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// Reasoning, sampling and the form of the answer.
extension ChatRequestTranslator {
  /// `reasoning_effort` as thinking, or the client's own `thinking` and `output_config`.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>
  mutating func translateReasoning(maxTokens: Int, _ conversation: Conversation) throws(APIError) {
    if let own = field("output_config") { body["output_config"] = own.isObject ? own.shallowCopy() : own }
    if let own = field("thinking") {
      body["thinking"] = own
      if let budget = own["budget_tokens"], budget.integer == nil, let tokens = budget.wholeNumber {
        body["thinking"] = own.shallowCopy()
        body["thinking"]?["budget_tokens"] = JSON(tokens)
      }
      if field("reasoning_effort") != nil { loss.dropped("reasoning_effort") }
      return
    }
    guard let effort = field("reasoning_effort") else { return }
    guard let level = effort.string else {
      throw .expected("a string", at: "reasoning_effort", got: effort)
    }
    if level == "none" { return stopThinking() }
    // The API refuses to think with a forced tool, after a tool turn without its thinking, and in an answer that has
    // begun.
    let mayThink = !forcesTool && !conversation.hasToolTurnWithoutThinking && !conversation.isPrefilled
    if capabilities.adaptiveThinking {
      // Who asks for reasoning wants to see it; the newer models leave its text out unless told.
      if mayThink { body["thinking"] = JSON(object: ["type": JSON("adaptive"), "display": JSON("summarized")]) }
      var wanted = level == "minimal" ? "low" : level
      if !capabilities.effort.contains(wanted) { wanted = "high" }
      if wanted != level { loss.approximated("reasoning_effort", "\(level) as \(wanted)") }
      if !mayThink { loss.approximated("reasoning_effort", "as effort alone, since thinking can't be asked for here") }
      setEffort(wanted)
      return
    }
    guard mayThink else { return loss.dropped("reasoning_effort") }
    let budget = min(
      TranslationLimits.thinkingBudgets[level] ?? TranslationLimits.thinkingBudgets["high"]!, max(maxTokens, 1) - 1)
    guard capabilities.output != nil, budget >= TranslationLimits.minThinkingBudget else {
      return loss.dropped("reasoning_effort")
    }
    body["thinking"] = JSON(object: ["type": JSON("enabled"), "budget_tokens": JSON(budget)])
    loss.approximated("reasoning_effort", "a budget of \(budget) tokens")
  }

  /// Thinks as little as the model lets itself be told to.
  private mutating func stopThinking() {
    switch capabilities.leastThinking {
    case .none: body["thinking"] = JSON(object: ["type": JSON("disabled")])
    case .betweenTools:
      body["thinking"] = JSON(object: ["type": JSON("between_tools")])
      loss.approximated("reasoning_effort", "none as thinking between tools only")
    case .some:
      setEffort("low")
      loss.approximated("reasoning_effort", "none as low, since the model always thinks")
    }
  }

  private func setEffort(_ effort: String) {
    let config = body["output_config"] ?? .object
    if config["effort"] == nil { config["effort"] = JSON(effort) }
    body["output_config"] = config
  }

  private var forcesTool: Bool {
    guard let type = body["tool_choice"]?["type"] else { return false }
    return type.equals("any") || type.equals("tool")
  }

  private var thinks: Bool {
    guard let type = body["thinking"]?["type"] else { return false }
    return !type.equals("disabled")
  }

  mutating func translateSampling() throws(APIError) {
    let temperature = try number("temperature")
    let topP = try number("top_p")
    if let temperature {
      // 1 is the default of both.
      if !capabilities.sampling || thinks {
        if temperature != 1 { loss.dropped("temperature") }
      } else {
        let clamped = min(max(temperature, 0), 1)
        if clamped != temperature {
          loss.add("temperature", "clamped \(field("temperature")!.text) to \(Int(clamped))")
        }
        body["temperature"] = clamped == temperature ? field("temperature") : JSON(Int(clamped))
      }
    }
    if let topP {
      let isRefused =
        !capabilities.sampling || (thinks && topP < TranslationLimits.minTopPWithThinking)
        || (capabilities.oneOfTemperatureAndTopP && body["temperature"] != nil)
      if !isRefused {
        body["top_p"] = field("top_p")
      } else if topP != 1 {
        loss.dropped("top_p")
      }
    }
    if let topK = field("top_k") {
      guard let count = topK.wholeNumber else { throw .expected("an integer", at: "top_k", got: topK) }
      if capabilities.sampling, !thinks {
        body["top_k"] = JSON(count)
      } else {
        loss.dropped("top_k")
      }
    }
  }

  private func number(_ name: StaticString) throws(APIError) -> Double? {
    guard let value = field(name) else { return nil }
    guard let number = value.number else { throw .expected("a number", at: "\(name)", got: value) }
    return number
  }

  /// A `response_format` with a schema: the schema that the API is to hold the model to, or why it can't.
  struct AnswerSchema {
    var asked: JSON
    var compiled: OutputSchema?
    var reason: String?
    var dropsDescription = false
  }

  /// Looks at `response_format`, before the tools: what can be compiled in all is limited, and a tool loses less.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>
  mutating func compiledFormat() throws(APIError) -> AnswerSchema? {
    guard let format = field("response_format") else { return nil }
    guard format.isObject else { throw .expected("an object", at: "response_format", got: format) }
    guard let type = format["type"], type.isString else {
      throw .expected("a string", at: "response_format.type", got: format["type"])
    }
    // The form of the Responses API, which some clients send here too.
    let isFlat = format["json_schema"] == nil && format["schema"] != nil && type.equals("json_schema")
    noteRest(of: format, "response_format", known: isFlat ? Self.ofAnswerSchema : ["type", "json_schema"])
    if type.equals("text") || type.equals("json_object") { return nil }
    guard type.equals("json_schema") else {
      throw .invalid("response_format.type: expected text, json_object or json_schema", param: "response_format")
    }
    guard let asked = isFlat ? format : format["json_schema"], asked.isObject else {
      throw .expected(
        "an object", at: "response_format.json_schema", got: format["json_schema"], param: "response_format")
    }
    guard let schema = asked["schema"], schema.isObject else {
      throw .expected(
        "an object", at: "response_format.json_schema.schema", got: asked["schema"], param: "response_format")
    }
    if !isFlat { noteRest(of: asked, "response_format.json_schema", known: Self.ofAnswerSchema) }
    var answer = AnswerSchema(asked: schema)
    // The name is a label of the client's; what the answer is for has its place in a schema.
    if let description = asked["description"], !description.isNull {
      if schema["description"] == nil {
        answer.asked = schema.shallowCopy()
        answer.asked["description"] = description
      } else if schema["description"] != description {
        answer.dropsDescription = true
      }
    }
    guard capabilities.structuredOutput, field("output_config")?["format"] == nil else { return answer }
    do throws(OutputSchema.Refusal) {
      let compiled = try OutputSchema(compiling: answer.asked)
      try schemaBudget.spend(compiled, isTool: false)
      answer.compiled = compiled
    } catch {
      answer.reason = error.reason
    }
    return answer
  }

  private static let ofAnswerSchema: Set<String> = ["type", "name", "description", "schema", "strict"]

  /// Puts the members that nothing translates into the ledger.
  mutating func noteRest(of object: JSON, _ path: String, known: Set<String>) {
    for (name, value) in object.members where !known.contains(name) && !value.isNull {
      loss.add("\(path).\(name)", "dropped", isKnown: false)
    }
  }

  /// The form of the answer; what the model can't be held to by the API is asked of it in words, which are returned.
  mutating func translateFormat(_ answer: AnswerSchema?) -> String? {
    guard let answer else {
      guard field("response_format")?["type"]?.equals("json_object") == true else { return nil }
      loss.approximated("response_format", "asked for in the system text")
      return "Answer with one valid JSON object and nothing else: no explanation, no code fence."
    }
    if answer.dropsDescription { loss.dropped("response_format.json_schema.description") }
    // The client's own form of it wins.
    if capabilities.structuredOutput, field("output_config")?["format"] != nil { return nil }
    if let compiled = answer.compiled {
      let config = body["output_config"] ?? .object
      config["format"] = JSON(object: ["type": JSON("json_schema"), "schema": compiled.schema])
      body["output_config"] = config
      note(compiled, "response_format.json_schema.schema", in: &loss)
      return nil
    }
    let why = answer.reason.map { ", since the API can't compile \($0)" } ?? ""
    loss.approximated("response_format", "asked for in the system text\(why)")
    return "Answer with one JSON value that is valid against this JSON Schema, and nothing else: no explanation, "
      + "no code fence. The schema: " + answer.asked.text
  }
}
