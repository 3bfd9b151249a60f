// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// The tools that a request declares.
extension RequestTranslator {
  /// A tool as it came, and where it stands.
  struct GivenTool {
    var tool: JSON
    var path: String
    /// The same without numbers, for the ledger.
    let field: String
    /// The name that several tools have in common.
    var namespace: String?
    /// It takes the place of an earlier one of its name.
    var replaces = false

    init(_ tool: JSON, _ path: String, namespace: String? = nil, replaces: Bool = false) {
      self.tool = tool
      self.path = path
      // In bytes: to split the path into characters takes half as long as the rest of the translation of a tool.
      var isIndex = false
      field = String(
        decoding: path.utf8.filter { byte in
          if byte == UInt8(ascii: "[") { isIndex = true }
          defer { if byte == UInt8(ascii: "]") { isIndex = false } }
          return !isIndex
        }, as: UTF8.self)
      self.namespace = namespace
      self.replaces = replaces
    }

    /// What the client calls it; nil for one that has no name.
    var key: ToolKey? {
      guard let name = RequestTranslator.name(of: tool) else { return nil }
      return namespace.map { .inner(namespace: $0, name) } ?? .tool(name)
    }
  }

  /// Translates the declared tools, before the conversation: its calls go by the same names.
  mutating func declare(_ given: [GivenTool]) throws(APIError) {
    for one in given where hostedKind(one) == nil {
      if case .tool(let name)? = one.key { toolNames.reserve(name) }
    }
    for one in given {
      if let kind = hostedKind(one) {
        try declare(kind, one)
        continue
      }
      let key = one.key
      if let key, let other = declared[key] {
        if other.tool == one.tool {
          toolLoss.approximated(one.field, "a tool that is declared twice is sent once")
        } else if one.replaces {
          toolLoss.approximated(one.field, "of two tools of one name the later one is sent")
          tools[other.place] = try translate(one)
          declared[key] = (one.tool, other.place)
        } else {
          let name = Self.name(of: one.tool) ?? ""
          throw .invalid("\(one.path): another tool named \(name.clipped) is declared differently", param: one.path)
        }
        continue
      }
      if let key { declared[key] = (one.tool, tools.count) }
      let made = try translate(one)
      if let namespace = one.namespace, let name = made["name"]?.string {
        sentByNamespace[namespace, default: []].append(name)
      }
      tools.append(made)
    }
  }

  static func name(of tool: JSON) -> String? {
    (tool["function"]?["name"] ?? tool["custom"]?["name"] ?? tool["name"])?.string
  }

  private mutating func translate(_ given: GivenTool) throws(APIError) -> JSON {
    let (tool, path) = (given.tool, given.path)
    if path.hasPrefix("f") { return try translate(function: tool, given, path, given.field) }
    guard tool.isObject else { throw .expected("an object", at: path, got: tool) }
    let type = tool["type"].flatMap { $0.isNull ? nil : $0 }
    if tool["input_schema"] != nil, type == nil || type!.equals("custom") { return try translate(own: given) }
    if type?.equals("custom") == true { return try translate(custom: given) }
    if type == nil || type!.equals("function") || (type!.string ?? "").lowercased() == "function" {
      if let function = tool["function"], !function.isNull {
        let made = try translate(function: function, given, "\(path).function", "\(given.field).function")
        if tool.count > 2 || type == nil {
          noteRest(of: tool, given.field, known: ["type", "function", "cache_control"])
        }
        if let mark = tool["cache_control"], !mark.isNull { made["cache_control"] = mark }
        return made
      }
      // The form of the Responses API, which some clients send here too.
      guard tool["name"] != nil || names.hasHostedTools else {
        throw .invalid("\(path).function: Field required", param: "\(path).function")
      }
      return try translate(function: tool, given, path, given.field)
    }
    // Anthropic's tools that run on a server declare no schema.
    guard let name = tool["name"]?.string, tool["parameters"] == nil, tool["function"] == nil else {
      throw .invalid("\(path).type: expected \(names.tools) or one of Anthropic's tools", param: "\(path).type")
    }
    if let type = type?.string { sentByType[type, default: []].append(name) }
    _ = toolNames.declare(.tool(name))
    return tool
  }

  /// - Parameters:
  ///   - path: where it stands, for an error.
  ///   - field: the same without numbers, for the ledger.
  private mutating func translate(
    function: JSON, _ given: GivenTool, _ path: String, _ field: String
  ) throws(APIError) -> JSON {
    guard function.isObject else { throw .expected("an object", at: path, got: function) }
    guard function["name"]?.isString == true, let key = given.key else {
      throw .expected("a string", at: "\(path).name", got: function["name"])
    }
    let schema = try inputSchema(function["parameters"], "\(path).parameters", "\(field).parameters")
    let made = JSON.object
    made["name"] = JSON(declare(key, schema.names, field))
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
    for name in names.nativeOfTools { if let value = function[name], !value.isNull { made[name] = value } }
    renameExamples(made, schema.names)
    for (name, value) in function.members where !Self.functionMembers.contains(name) && !value.isNull {
      if name == "type", field == given.field { continue }
      if !names.nativeOfTools.contains(name) { noteMember(name, value, of: field) }
    }
    return made
  }

  /// Anthropic's own form of a tool, which may have a schema or a name that the API refuses as well.
  private mutating func translate(own given: GivenTool) throws(APIError) -> JSON {
    let (tool, path) = (given.tool, given.path)
    guard tool["name"]?.isString == true, let key = given.key else {
      throw .expected("a string", at: "\(path).name", got: tool["name"])
    }
    let schema = try inputSchema(tool["input_schema"], "\(path).input_schema", "\(given.field).input_schema")
    let made = tool.shallowCopy()
    made["name"] = JSON(declare(key, schema.names, given.field))
    made["description"] = try Self.description(tool["description"], schema.rule, path)
    made["input_schema"] = schema.schema
    renameExamples(made, schema.names)
    return made
  }

  /// OpenAI's custom tool: its input is a text, which may have to follow a grammar.
  private mutating func translate(custom given: GivenTool) throws(APIError) -> JSON {
    let tool = given.tool
    let isNested = tool["custom"] != nil
    let custom = tool["custom"] ?? tool
    let path = isNested ? "\(given.path).custom" : given.path
    let field = isNested ? "\(given.field).custom" : given.field
    guard custom.isObject else { throw .expected("an object", at: path, got: custom) }
    guard custom["name"]?.isString == true, let key = given.key else {
      throw .expected("a string", at: "\(path).name", got: custom["name"])
    }
    let made = JSON.object
    made["name"] = JSON(declare(key, nil, field, isCustom: true))
    let rule = try grammar(custom["format"], "\(path).format", "\(field).format")
    made["description"] = try Self.description(custom["description"], rule, path)
    made["input_schema"] = JSON(object: [
      "type": JSON("object"),
      "properties": JSON(object: ["input": JSON(object: ["type": JSON("string")])]),
      "required": JSON(array: [JSON("input")]),
    ])
    if let mark = tool["cache_control"], !mark.isNull { made["cache_control"] = mark }
    if isNested { noteRest(of: tool, given.field, known: ["type", "custom", "cache_control"]) }
    let known = ["name", "description", "format", "type", "cache_control"]
    for (name, value) in custom.members where !known.contains(name) && !value.isNull {
      noteMember(name, value, of: field)
    }
    return made
  }

  /// Puts a member that is not sent into the ledger, if it asks for something.
  private mutating func noteMember(_ name: String, _ value: JSON, of field: String) {
    let neutral = names.droppedOfTools[name]
    if neutral?.includes(value) != true { toolLoss.add("\(field).\(name)", "dropped", isKnown: neutral != nil) }
  }

  /// A custom tool's format in words; nil for free text.
  private mutating func grammar(_ format: JSON?, _ path: String, _ field: String) throws(APIError) -> String? {
    guard let format, !format.isNull, format["type"]?.equals("text") != true else { return nil }
    guard format["type"]?.equals("grammar") == true else {
      throw .invalid("\(path).type: expected text or grammar", param: "\(path).type")
    }
    let grammar = format["grammar"] ?? format
    guard let definition = grammar["definition"]?.string else {
      throw .expected("a string", at: "\(path).definition", got: grammar["definition"])
    }
    toolLoss.approximated(field, "the grammar moved to the description")
    let kind = grammar["syntax"]?.equals("regex") == true ? "regular expression" : "Lark grammar"
    return "The input must match this \(kind):\n\n\(definition)"
  }

  mutating func declare(
    _ key: ToolKey, _ properties: PropertyNames?, _ field: String, isCustom: Bool = false
  ) -> String {
    let sent = toolNames.declare(key, isCustom: isCustom, properties)
    if sent != key.wanted { toolLoss.approximated("\(field).name", "a name that the API refuses is sent as another") }
    return sent
  }

  static func description(_ given: JSON?, _ words: String?, _ path: String) throws(APIError) -> JSON? {
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

  private static let functionMembers: Set<String> = ["name", "description", "parameters", "strict", "cache_control"]
}
