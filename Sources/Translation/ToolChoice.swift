// SPDX-License-Identifier: MIT
import Jansson
import Models
import Records

// The choice among the tools.
extension RequestTranslator {
  /// - Parameter called: the names of the tools that the conversation has calls of, as they are sent.
  mutating func translateTools(called: [String]) throws(APIError) {
    loss.add(toolLoss)
    let isParallel = try flag("parallel_tool_calls")
    var choice = try translateChoice()
    if tools.isEmpty, !called.isEmpty {
      // The API refuses calls in the history without tools; the client wants no more of them.
      body["tools"] = JSON(
        array: called.map { JSON(object: ["name": JSON($0), "input_schema": ToolSchema.empty]) })
      body["tool_choice"] = JSON(object: ["type": JSON("none")])
      return loss.approximated("tools", "those that were called before are declared, and not to be called")
    }
    guard !tools.isEmpty else {
      if let type = choice?["type"], type.equals("any") || type.equals("tool") { loss.dropped("tool_choice") }
      return
    }
    body["tools"] = JSON(array: tools)
    if let type = choice?["type"], type.equals("any") || type.equals("tool"), !capabilities.forcedToolChoice {
      choice = JSON(object: ["type": JSON("auto")])
      loss.approximated("tool_choice", "auto, since the model refuses a forced one")
    }
    if isParallel == false {
      let made = choice?.shallowCopy() ?? JSON(object: ["type": JSON("auto")])
      if made["type"]?.equals("none") == false { made["disable_parallel_tool_use"] = JSON(true) }
      choice = made
    }
    body["tool_choice"] = choice
  }

  private mutating func translateChoice() throws(APIError) -> JSON? {
    if let choice = field("tool_choice") {
      if let word = choice.string { return try choiceOf(word: word, "tool_choice") }
      // A choice that names a tool and nothing else means a function.
      let meant = choice["function"] != nil || choice["name"] != nil ? "function" : nil
      guard choice.isObject, let type = choice["type"]?.string ?? meant else {
        throw .invalid("tool_choice: expected a string or an object with a type", param: "tool_choice")
      }
      switch type {
      case "function": return try named(choice["function"], in: choice, "tool_choice", "function")
      case "custom": return try named(choice["custom"], in: choice, "tool_choice", "custom")
      case "allowed_tools": return try narrowed(choice["allowed_tools"] ?? choice, choice["allowed_tools"] == nil)
      case "tool":
        let made = choice.shallowCopy()
        made["name"] = try named(nil, in: choice, "tool_choice", "tool")["name"]
        return made
      case "auto", "any", "none": return choice
      case "required": return try choiceOf(word: type, "tool_choice")
      default:
        guard names.hasHostedTools else {
          throw .invalid("tool_choice.type: \(type.clipped) is not supported", param: "tool_choice.type")
        }
        return try self.choice(ofHosted: type, choice)
      }
    }
    if let choice = field("function_call") {
      if let word = choice.string { return try choiceOf(word: word, "function_call") }
      return try named(nil, in: choice, "function_call", "")
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

  /// The choice of one tool, whose name is in an inner object or beside the type.
  private mutating func named(
    _ nested: JSON?, in choice: JSON, _ path: String, _ kind: String
  ) throws(APIError) -> JSON {
    let nested = nested.flatMap { $0.isNull ? nil : $0 }
    let isFlat = nested == nil && (choice["name"] != nil || names.hasHostedTools)
    let namespace = names.hasHostedTools ? choice["namespace"]?.string.flatMap { $0.isEmpty ? nil : $0 } : nil
    if kind != "tool" {
      let known: Set<String> = ["type", "name", "function", "custom"]
      noteRest(of: choice, path, known: namespace == nil ? known : known.union(["namespace"]))
    }
    if let nested { noteRest(of: nested, "\(path).\(kind)", known: ["name"]) }
    let path = isFlat || kind == "tool" || kind.isEmpty ? "\(path).name" : "\(path).\(kind).name"
    guard let name = (nested ?? choice)["name"]?.string else {
      throw .expected("a string", at: path, got: (nested ?? choice)["name"])
    }
    return JSON(object: ["type": JSON("tool"), "name": JSON(try declared(name, in: namespace, path))])
  }

  /// The name that a declared tool is sent by.
  private mutating func declared(
    _ name: String, in namespace: String? = nil, _ path: String
  ) throws(APIError) -> String {
    let key = namespace.map { ToolKey.inner(namespace: $0, name) } ?? .tool(name)
    guard declared[key] != nil else {
      throw .invalid("\(path): no tool of this request is called \(name.clipped)", param: path)
    }
    return toolNames.sent(key)
  }

  private mutating func narrowed(_ allowed: JSON, _ isFlat: Bool) throws(APIError) -> JSON {
    let whole = isFlat && names.hasHostedTools ? "tool_choice" : "tool_choice.allowed_tools"
    let path = "\(whole).tools"
    guard let list = allowed["tools"], list.isArray else {
      throw .expected("an array", at: path, got: allowed["tools"], param: "tool_choice")
    }
    if let mode = allowed["mode"], !mode.isNull, !mode.isString {
      throw .expected("a string", at: "\(whole).mode", got: mode)
    }
    var allowed = (names: Set<String>(), mode: allowed["mode"]?.string ?? "auto")
    // A list may name thousands of types; none is looked for among all tools.
    var (byType, byNamespace) = (sentByType, sentByNamespace)
    for (index, tool) in list.elements.enumerated() {
      let path = "\(path)[\(index)]"
      let type = tool["type"]?.string
      if names.hasHostedTools, type == "namespace" {
        guard let name = tool["name"]?.string else {
          throw .expected("a string", at: "\(path).name", got: tool["name"])
        }
        guard sentByNamespace[name] != nil else {
          throw .invalid(
            "\(path).name: no namespace of this request is called \(name.clipped)", param: "\(path).name")
        }
        allowed.names.formUnion(byNamespace.removeValue(forKey: name) ?? [])
        continue
      }
      let hosted = names.hasHostedTools ? type.flatMap(HostedTools.kind) : nil
      if hosted == nil, let name = Self.name(of: tool) {
        let namespace = names.hasHostedTools ? tool["namespace"]?.string : nil
        allowed.names.insert(try declared(name, in: namespace, "\(path).name"))
        continue
      }
      guard let type, type != "function", type != "custom" else {
        throw .expected("a string", at: "\(path).name", got: tool["name"], param: path)
      }
      // A tool of the server may be named by its type alone.
      guard sentByType[hosted ?? type] != nil || HostedTools.unsupported.contains(type) else {
        throw .invalid("\(path).type: no tool of this request is of type \(type.clipped)", param: "\(path).type")
      }
      allowed.names.formUnion(byType.removeValue(forKey: hosted ?? type) ?? [])
    }
    tools.removeAll { !allowed.names.contains($0["name"]?.string ?? "") }
    return try choiceOf(word: allowed.mode, "\(whole).mode")
  }
}
