// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// Tools, and the choice among them; both of OpenAI's generations.
extension ChatRequestTranslator {
  /// - Parameter called: the names of the tools that the conversation has calls of.
  mutating func translateTools(called: [String]) throws(APIError) {
    var tools: [JSON] = []
    if let given = field("tools") {
      guard given.isArray else { throw .invalid("tools: is not an array", param: "tools") }
      for (index, tool) in given.elements.enumerated() { tools.append(try translate(tool: tool, index)) }
    }
    if let given = field("functions") {
      guard given.isArray else { throw .invalid("functions: is not an array", param: "functions") }
      for (index, function) in given.elements.enumerated() {
        tools.append(try translate(function: function, path: "functions[\(index)]"))
      }
    }
    var choice = try translateChoice(&tools)
    if tools.isEmpty, !called.isEmpty {
      // The API refuses calls in the history without tools; the client wants no more of them.
      body["tools"] = JSON(
        array: called.map { JSON(object: ["name": JSON($0), "input_schema": Self.emptySchema]) })
      body["tool_choice"] = JSON(object: ["type": JSON("none")])
      return loss.approximated("tools", "those that were called before are declared, and not to be called")
    }
    guard !tools.isEmpty else { return }
    body["tools"] = JSON(array: tools)
    if let type = choice?["type"], type.equals("any") || type.equals("tool"), !capabilities.forcedToolChoice {
      choice = JSON(object: ["type": JSON("auto")])
      loss.approximated("tool_choice", "auto, since the model refuses a forced one")
    }
    if field("parallel_tool_calls")?.bool == false {
      let made = choice ?? JSON(object: ["type": JSON("auto")])
      if made["type"]?.equals("none") == false { made["disable_parallel_tool_use"] = JSON(true) }
      choice = made
    }
    body["tool_choice"] = choice
  }

  private mutating func translate(tool: JSON, _ index: Int) throws(APIError) -> JSON {
    let path = "tools[\(index)]"
    guard tool.isObject else { throw .invalid("\(path): is not an object", param: path) }
    let type = tool["type"]
    if type == nil || type!.isNull || type!.equals("function") {
      if let function = tool["function"] {
        let made = try translate(function: function, path: "\(path).function")
        if let mark = tool["cache_control"], !mark.isNull { made["cache_control"] = mark }
        return made
      }
      // Anthropic's own form, without a type.
      guard tool["input_schema"] != nil else {
        throw .invalid("\(path).function: Field required", param: "\(path).function")
      }
      return tool
    }
    guard tool["name"]?.isString == true else {
      throw .invalid("\(path).type: expected function or one of Anthropic's tools", param: "\(path).type")
    }
    return tool
  }

  private mutating func translate(function: JSON, path: String) throws(APIError) -> JSON {
    guard function.isObject, let name = function["name"], name.isString else {
      throw .invalid("\(path).name: Field required", param: "\(path).name")
    }
    let made = JSON.object
    made["name"] = name
    if let description = function["description"], !description.isNull { made["description"] = description }
    made["input_schema"] = try schema(function["parameters"], path: path)
    if function["strict"]?.bool == true {
      if capabilities.structuredOutput {
        made["strict"] = JSON(true)
        made["input_schema"] = accepted(made["input_schema"]!, "tools.function.parameters")
      } else {
        loss.dropped("tools.function.strict")
      }
    }
    if let mark = function["cache_control"], !mark.isNull { made["cache_control"] = mark }
    // Anthropic's own members of a tool, which its SDK's users know.
    for name in Self.nativeToolMembers { if let value = function[name], !value.isNull { made[name] = value } }
    for (name, value) in function.members where !Self.functionMembers.contains(name) && !value.isNull {
      loss.add("tools.function.\(name)", "dropped", isKnown: false)
    }
    return made
  }

  private static let nativeToolMembers = [
    "allowed_callers", "defer_loading", "eager_input_streaming", "input_examples",
  ]
  private static let functionMembers =
    Set(nativeToolMembers + ["name", "description", "parameters", "strict", "cache_control"])

  private static var emptySchema: JSON { JSON(object: ["type": JSON("object"), "properties": .object]) }

  /// The Messages API wants an object's schema that says so.
  private func schema(_ parameters: JSON?, path: String) throws(APIError) -> JSON {
    guard let parameters, !parameters.isNull else {
      return Self.emptySchema
    }
    guard parameters.isObject else {
      throw .invalid("\(path).parameters: is not an object", param: "\(path).parameters")
    }
    if parameters["type"] != nil { return parameters }
    let made = JSON(object: ["type": JSON("object")])
    for (key, value) in parameters.members { made[key] = value }
    if parameters.count == 0 { made["properties"] = .object }
    return made
  }

  private mutating func translateChoice(_ tools: inout [JSON]) throws(APIError) -> JSON? {
    if let choice = field("tool_choice") {
      if let word = choice.string { return try choiceOf(word: word, "tool_choice") }
      guard choice.isObject, let type = choice["type"]?.string else {
        throw .invalid("tool_choice: expected a word or an object with a type", param: "tool_choice")
      }
      switch type {
      case "function": return try named(choice["function"], "tool_choice.function")
      case "allowed_tools": return try narrowed(choice["allowed_tools"] ?? choice, &tools)
      case "auto", "any", "none", "tool": return choice
      default: throw .invalid("tool_choice.type: \(type) is not possible here", param: "tool_choice.type")
      }
    }
    if let choice = field("function_call") {
      if let word = choice.string { return try choiceOf(word: word, "function_call") }
      return try named(choice, "function_call")
    }
    return nil
  }

  private func choiceOf(word: String, _ path: String) throws(APIError) -> JSON {
    switch word {
    case "auto", "none": JSON(object: ["type": JSON(word)])
    case "required", "any": JSON(object: ["type": JSON("any")])
    default: throw .invalid("\(path): expected auto, none, required or a named function", param: path)
    }
  }

  private func named(_ function: JSON?, _ path: String) throws(APIError) -> JSON {
    guard let name = function?["name"], name.isString else {
      throw .invalid("\(path).name: Field required", param: "\(path).name")
    }
    return JSON(object: ["type": JSON("tool"), "name": name])
  }

  private mutating func narrowed(_ allowed: JSON, _ tools: inout [JSON]) throws(APIError) -> JSON {
    guard let list = allowed["tools"], list.isArray else {
      throw .invalid("tool_choice.allowed_tools.tools: Field required", param: "tool_choice")
    }
    let names = Set(list.elements.compactMap { ($0["function"]?["name"] ?? $0["name"])?.string })
    tools.removeAll { !names.contains($0["name"]?.string ?? "") }
    return try choiceOf(word: allowed["mode"]?.string ?? "auto", "tool_choice.allowed_tools.mode")
  }
}
