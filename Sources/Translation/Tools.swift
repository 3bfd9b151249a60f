// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// The tools that a request declares, of both of OpenAI's generations.
extension ChatRequestTranslator {
  /// Translates the declared tools, before the conversation: its calls go by the same names.
  mutating func declareTools() throws(APIError) {
    var given: [(tool: JSON, path: String)] = []
    for name: StaticString in ["tools", "functions"] {
      guard let list = field(name) else { continue }
      guard list.isArray else { throw .expected("an array", at: "\(name)", got: list) }
      for (index, tool) in list.elements.enumerated() { given.append((tool, "\(name)[\(index)]")) }
    }
    for (tool, _) in given { if let name = Self.name(of: tool) { toolNames.reserve(name) } }
    for (tool, path) in given {
      if let name = Self.name(of: tool) {
        if let other = declared[name] {
          guard other == tool else {
            throw .invalid("\(path): another tool named \(name.clipped) is declared differently", param: path)
          }
          toolLoss.approximated("tools", "a tool that is declared twice is sent once")
          continue
        }
        declared[name] = tool
      }
      tools.append(path.hasPrefix("f") ? try translate(function: tool, path, "functions") : try translate(tool, path))
    }
  }

  static func name(of tool: JSON) -> String? {
    (tool["function"]?["name"] ?? tool["custom"]?["name"] ?? tool["name"])?.string
  }

  private mutating func translate(_ tool: JSON, _ path: String) throws(APIError) -> JSON {
    guard tool.isObject else { throw .expected("an object", at: path, got: tool) }
    let type = tool["type"].flatMap { $0.isNull ? nil : $0 }
    if tool["input_schema"] != nil, type == nil || type!.equals("custom") { return try translate(own: tool, path) }
    if type?.equals("custom") == true { return try translate(custom: tool, path) }
    if type == nil || type!.equals("function") || (type!.string ?? "").lowercased() == "function" {
      if let function = tool["function"], !function.isNull {
        let made = try translate(function: function, "\(path).function", "tools.function")
        if tool.count > 2 || type == nil { noteRest(of: tool, "tools", known: ["type", "function", "cache_control"]) }
        if let mark = tool["cache_control"], !mark.isNull { made["cache_control"] = mark }
        return made
      }
      // The form of the Responses API, which some clients send here too.
      guard tool["name"] != nil else {
        throw .invalid("\(path).function: Field required", param: "\(path).function")
      }
      return try translate(function: tool, path, "tools")
    }
    // Anthropic's tools that run on a server declare no schema.
    guard let name = tool["name"]?.string, tool["parameters"] == nil, tool["function"] == nil else {
      throw .invalid("\(path).type: expected function, custom or one of Anthropic's tools", param: "\(path).type")
    }
    _ = toolNames.declare(name)
    return tool
  }

  /// - Parameters:
  ///   - path: where it stands, for an error.
  ///   - field: the same without numbers, for the ledger.
  private mutating func translate(function: JSON, _ path: String, _ field: String) throws(APIError) -> JSON {
    guard function.isObject else { throw .expected("an object", at: path, got: function) }
    guard let name = function["name"]?.string else {
      throw .expected("a string", at: "\(path).name", got: function["name"])
    }
    let schema = try inputSchema(function["parameters"], "\(path).parameters", "\(field).parameters")
    let made = JSON.object
    made["name"] = JSON(declare(name, schema.names, field))
    made["description"] = try Self.description(function["description"], schema.rule, path)
    made["input_schema"] = schema.schema
    if let strict = function["strict"], !strict.isNull, strict.bool == nil {
      throw .expected("a boolean", at: "\(path).strict", got: strict)
    }
    if function["strict"]?.bool == true {
      holdStrictly(made, field, takesNothing: function["parameters"].map(\.isNull) ?? true)
    }
    if let mark = function["cache_control"], !mark.isNull { made["cache_control"] = mark }
    // Anthropic's own members of a tool, which its SDK's users know.
    for name in Self.nativeToolMembers { if let value = function[name], !value.isNull { made[name] = value } }
    renameExamples(made, schema.names)
    for (name, value) in function.members where !Self.functionMembers.contains(name) && !value.isNull {
      if name == "type", field == "tools" { continue }
      toolLoss.add("\(field).\(name)", "dropped", isKnown: false)
    }
    return made
  }

  /// Anthropic's own form of a tool, which may have a schema or a name that the API refuses as well.
  private mutating func translate(own tool: JSON, _ path: String) throws(APIError) -> JSON {
    guard let name = tool["name"]?.string else { throw .expected("a string", at: "\(path).name", got: tool["name"]) }
    let schema = try inputSchema(tool["input_schema"], "\(path).input_schema", "tools.input_schema")
    let made = tool.shallowCopy()
    made["name"] = JSON(declare(name, schema.names, "tools"))
    made["description"] = try Self.description(tool["description"], schema.rule, path)
    made["input_schema"] = schema.schema
    renameExamples(made, schema.names)
    return made
  }

  /// OpenAI's custom tool: its input is a text, which may have to follow a grammar.
  private mutating func translate(custom tool: JSON, _ path: String) throws(APIError) -> JSON {
    let isNested = tool["custom"] != nil
    let custom = tool["custom"] ?? tool
    let path = isNested ? "\(path).custom" : path
    guard custom.isObject else { throw .expected("an object", at: path, got: custom) }
    guard let name = custom["name"]?.string else {
      throw .expected("a string", at: "\(path).name", got: custom["name"])
    }
    let made = JSON.object
    made["name"] = JSON(declare(name, nil, isNested ? "tools.custom" : "tools", isCustom: true))
    let rule = try grammar(custom["format"], "\(path).format")
    made["description"] = try Self.description(custom["description"], rule, path)
    made["input_schema"] = JSON(object: [
      "type": JSON("object"),
      "properties": JSON(object: ["input": JSON(object: ["type": JSON("string")])]),
      "required": JSON(array: [JSON("input")]),
    ])
    if let mark = tool["cache_control"], !mark.isNull { made["cache_control"] = mark }
    if isNested { noteRest(of: tool, "tools", known: ["type", "custom", "cache_control"]) }
    let known = ["name", "description", "format", "type", "cache_control"]
    for (name, value) in custom.members where !known.contains(name) && !value.isNull {
      toolLoss.add(isNested ? "tools.custom.\(name)" : "tools.\(name)", "dropped", isKnown: false)
    }
    return made
  }

  /// A custom tool's format in words; nil for free text.
  private mutating func grammar(_ format: JSON?, _ path: String) throws(APIError) -> String? {
    guard let format, !format.isNull, format["type"]?.equals("text") != true else { return nil }
    guard format["type"]?.equals("grammar") == true else {
      throw .invalid("\(path).type: expected text or grammar", param: "\(path).type")
    }
    let grammar = format["grammar"] ?? format
    guard let definition = grammar["definition"]?.string else {
      throw .expected("a string", at: "\(path).definition", got: grammar["definition"])
    }
    toolLoss.approximated("tools.custom.format", "the grammar moved to the description")
    let kind = grammar["syntax"]?.equals("regex") == true ? "regular expression" : "Lark grammar"
    return "The input must match this \(kind):\n\n\(definition)"
  }

  private mutating func declare(
    _ name: String, _ properties: PropertyNames?, _ field: String, isCustom: Bool = false
  ) -> String {
    let sent = toolNames.declare(name, isCustom: isCustom, properties)
    if sent != name { toolLoss.approximated("\(field).name", "a name that the API refuses is sent as another") }
    return sent
  }

  private static func description(_ given: JSON?, _ words: String?, _ path: String) throws(APIError) -> JSON? {
    let given = given.flatMap { $0.isNull ? nil : $0 }
    if let given, !given.isString { throw .expected("a string", at: "\(path).description", got: given) }
    guard let words else { return given }
    let own = given?.string ?? ""
    return JSON(own.isEmpty ? words : own + "\n\n" + words)
  }

  private func renameExamples(_ tool: JSON, _ names: PropertyNames?) {
    guard let names, let examples = tool["input_examples"] else { return }
    tool["input_examples"] = names.renamed(input: examples)
  }

  private mutating func inputSchema(_ given: JSON?, _ path: String, _ field: String) throws(APIError) -> ToolSchema {
    let given = given.flatMap { $0.isNull ? nil : $0 } ?? emptySchema
    guard given.isObject else { throw .expected("an object", at: path, got: given) }
    guard let schema = ToolSchema(given) else {
      throw .invalid("\(path).type: expected object, since a tool's input is an object", param: "\(path).type")
    }
    if !schema.changes.isEmpty {
      toolLoss.approximated(field, "sent in a form that the API takes: \(schema.changes.joined)")
    }
    return schema
  }

  /// Asks the API to hold the model to the tool's schema, where it can.
  private mutating func holdStrictly(_ tool: JSON, _ field: String, takesNothing: Bool) {
    guard capabilities.structuredOutput else { return toolLoss.dropped("\(field).strict") }
    var schema = tool["input_schema"]!
    // A function that declares no parameters takes none.
    if takesNothing {
      schema = schema.shallowCopy()
      schema["additionalProperties"] = JSON(false)
      tool["input_schema"] = schema
    }
    do throws(OutputSchema.Refusal) {
      let compiled = try OutputSchema(compiling: schema)
      try schemaBudget.spend(compiled, isTool: true)
      tool["input_schema"] = compiled.schema
      tool["strict"] = JSON(true)
      note(compiled, "\(field).parameters", in: &toolLoss)
    } catch {
      toolLoss.add("\(field).strict", "dropped (the API can't compile \(error.reason))")
    }
  }

  /// What of a schema only words say now.
  func note(_ schema: OutputSchema, _ field: String, in ledger: inout LossLedger) {
    if !schema.repaired.isEmpty {
      ledger.approximated(field, "sent in a form that the API takes: \(schema.repaired.joined)")
    }
    if !schema.inWords.isEmpty { ledger.approximated(field, "\(schema.inWords.joined) moved to the description") }
  }

  private static let nativeToolMembers = [
    "allowed_callers", "defer_loading", "eager_input_streaming", "input_examples",
  ]
  private static let functionMembers =
    Set(nativeToolMembers + ["name", "description", "parameters", "strict", "cache_control"])
}
