// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// Reasoning, sampling and the form of the answer.
extension RequestTranslator {
  /// The effort of reasoning as thinking, or the client's own `thinking` and `output_config`.
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
      if field(at: names.effort) != nil { loss.dropped(effortField) }
      return
    }
    let effort = update.effort ?? field(at: names.effort)
    if let effort, !effort.isString { throw .expected("a string", at: effortField, got: effort) }
    if let effort, effort.equals("") {
      throw .invalid(
        "\(effortField): the text is empty; expected an effort such as low, medium or high, or no such field",
        param: effortField)
    }
    // A summary that is asked for without an effort is one of the usual effort.
    guard let level = effort?.string ?? (showsThinking == true ? "" : nil) else { return }
    if level == "none" { return stopThinking() }
    // The API refuses to think with a forced tool, after a tool turn without its thinking, and in an answer that has
    // begun.
    let mayThink = !forcesTool && !conversation.hasToolTurnWithoutThinking && !conversation.isPrefilled
    if capabilities.adaptiveThinking {
      // The newer models leave the text of thinking out unless told.
      let display: StaticString = showsThinking == false ? "omitted" : "summarized"
      if mayThink { body["thinking"] = JSON(object: ["type": JSON("adaptive"), "display": JSON("\(display)")]) }
      if level.isEmpty { return }
      var wanted = level == "minimal" ? "low" : level
      if !capabilities.effort.contains(wanted) { wanted = "high" }
      if wanted != level { loss.approximated(effortField, "\(level) as \(wanted)") }
      if !mayThink { loss.approximated(effortField, "as effort alone, since thinking can't be asked for here") }
      setEffort(wanted)
      return
    }
    guard mayThink else { return loss.dropped(effortField) }
    let budget = min(
      TranslationLimits.thinkingBudgets[level.isEmpty ? "medium" : level]
        ?? TranslationLimits.thinkingBudgets["high"]!, max(maxTokens, 1) - 1)
    guard capabilities.output != nil, budget >= TranslationLimits.minThinkingBudget else {
      return loss.dropped(effortField)
    }
    body["thinking"] = JSON(object: ["type": JSON("enabled"), "budget_tokens": JSON(budget)])
    loss.approximated(effortField, "a budget of \(budget) tokens")
  }

  /// Thinks as little as the model lets itself be told to.
  private mutating func stopThinking() {
    switch capabilities.leastThinking {
    case .none: body["thinking"] = JSON(object: ["type": JSON("disabled")])
    case .betweenTools:
      body["thinking"] = JSON(object: ["type": JSON("between_tools")])
      loss.approximated(effortField, "none as thinking between tools only")
    case .some:
      setEffort("low")
      loss.approximated(effortField, "none as low, since the model always thinks")
    }
  }

  /// Where the effort stands that holds.
  private var effortField: String { update.effort == nil ? names.effort : "\(names.turns).\(names.effort)" }

  /// Where the form of the answer stands that holds.
  private var formatField: String { update.format == nil ? names.format : "\(names.turns).\(names.format)" }

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

  /// A format of the answer with a schema: the schema that the API is to hold the model to, or why it can't.
  struct AnswerSchema {
    var asked: JSON
    /// Where it stands, for the ledger.
    var path: String
    var compiled: OutputSchema?
    var reason: String?
    var dropsDescription = false
  }

  /// Looks at the format of the answer, before the tools: what can be compiled in all is limited, and a tool loses less.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>
  mutating func compiledFormat() throws(APIError) -> AnswerSchema? {
    guard let format = update.format ?? field(at: names.format) else { return nil }
    // Where it stands: in errors the client's own place, in the ledger the field's name.
    let path = update.formatPath ?? names.format
    guard format.isObject else { throw .expected("an object", at: path, got: format) }
    guard let type = format["type"], type.isString else {
      throw .expected("a string", at: "\(path).type", got: format["type"])
    }
    // The form of the Responses API, which some clients send to the other too.
    let isFlat =
      format["json_schema"] == nil && (names.formatIsFlat || format["schema"] != nil) && type.equals("json_schema")
    noteRest(of: format, formatField, known: isFlat ? Self.ofAnswerSchema : ["type", "json_schema"])
    if type.equals("text") || type.equals("json_object") { return nil }
    guard type.equals("json_schema") else {
      throw .invalid("\(path).type: expected text, json_object or json_schema", param: path)
    }
    guard let asked = isFlat ? format : format["json_schema"], asked.isObject else {
      throw .expected(
        "an object", at: "\(path).json_schema", got: format["json_schema"], param: path)
    }
    let schemaPath = isFlat && names.formatIsFlat ? path : "\(path).json_schema"
    guard let schema = asked["schema"], schema.isObject else {
      throw .expected(
        "an object", at: "\(schemaPath).schema", got: asked["schema"], param: path)
    }
    if !isFlat { noteRest(of: asked, "\(formatField).json_schema", known: Self.ofAnswerSchema) }
    var answer = AnswerSchema(
      asked: schema, path: isFlat && names.formatIsFlat ? formatField : "\(formatField).json_schema")
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
      let format = update.format ?? field(at: names.format)
      guard format?["type"]?.equals("json_object") == true else { return nil }
      loss.approximated(formatField, "asked for in the system text")
      return "Answer with one valid JSON object and nothing else: no explanation, no code fence."
    }
    if answer.dropsDescription { loss.dropped("\(answer.path).description") }
    // The client's own form of it wins.
    if capabilities.structuredOutput, field("output_config")?["format"] != nil { return nil }
    if let compiled = answer.compiled {
      let config = body["output_config"] ?? .object
      config["format"] = JSON(object: ["type": JSON("json_schema"), "schema": compiled.schema])
      body["output_config"] = config
      note(compiled, "\(answer.path).schema", in: &loss)
      return nil
    }
    let why = answer.reason.map { ", since the API can't compile \($0)" } ?? ""
    loss.approximated(formatField, "asked for in the system text\(why)")
    return "Answer with one JSON value that is valid against this JSON Schema, and nothing else: no explanation, "
      + "no code fence. The schema: " + answer.asked.text
  }
}
