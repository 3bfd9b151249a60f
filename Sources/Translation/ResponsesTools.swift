// SPDX-License-Identifier: MIT
import Jansson
import Records

// The tools of a responses request.
extension RequestTranslator {
  /// Declares the tools of the request, and those that items of the conversation add.
  mutating func declareResponsesTools(_ items: JSON?) throws(APIError) {
    var given: [GivenTool] = []
    var namespaces: [GivenTool] = []
    if let list = field("tools") { try collect(list, "tools", to: &given, &namespaces) }
    for (index, item) in (items ?? .null).elements.enumerated() {
      guard let type = item["type"], type.equals("additional_tools") || type.equals("tool_search_output") else {
        continue
      }
      if let list = item["tools"], !list.isNull {
        try collect(list, "input[\(index)].tools", replaces: true, to: &given, &namespaces)
      }
    }
    // The server's tool has one name alone; a function of that name gets another.
    if given.contains(where: { hostedKind($0) == "web_search" }) { toolNames.occupy(Self.webSearchName) }
    try declare(given)
    try describe(namespaces)
  }

  /// The type of a tool that OpenAI runs or its models know; nil for another.
  func hostedKind(_ given: GivenTool) -> String? {
    guard names.hasHostedTools, given.namespace == nil, given.tool["function"] == nil else { return nil }
    return given.tool["type"]?.string.flatMap(HostedTools.kind)
  }

  private func collect(
    _ list: JSON, _ path: String, replaces: Bool = false, to given: inout [GivenTool],
    _ namespaces: inout [GivenTool]
  ) throws(APIError) {
    guard list.isArray else { throw .expected("an array", at: path, got: list) }
    for (index, tool) in list.elements.enumerated() {
      let path = "\(path)[\(index)]"
      guard tool.isObject else { throw .expected("an object", at: path, got: tool) }
      guard tool["type"]?.equals("namespace") == true else {
        given.append(GivenTool(tool, path, replaces: replaces))
        continue
      }
      guard let namespace = tool["name"]?.string else {
        throw .expected("a string", at: "\(path).name", got: tool["name"])
      }
      guard !namespace.isEmpty else { throw .invalid("\(path).name: is empty", param: "\(path).name") }
      guard let inner = tool["tools"], inner.isArray else {
        throw .expected("an array", at: "\(path).tools", got: tool["tools"])
      }
      namespaces.append(GivenTool(tool, path))
      for (number, one) in inner.elements.enumerated() {
        guard one["type"]?.equals("namespace") != true else {
          let path = "\(path).tools[\(number)].type"
          throw .invalid("\(path): a namespace can't stand in another one", param: path)
        }
        given.append(GivenTool(one, "\(path).tools[\(number)]", namespace: namespace, replaces: replaces))
      }
    }
  }

  /// What the tools of a namespace have in common is said in the system text: once, however many there are.
  private mutating func describe(_ namespaces: [GivenTool]) throws(APIError) {
    var seen: Set<String> = []
    for given in namespaces {
      let (tool, path) = (given.tool, given.path)
      for (name, value) in tool.members where !value.isNull {
        if !["type", "name", "description", "tools"].contains(name) {
          toolLoss.add("\(given.field).\(name)", "dropped", isKnown: false)
        }
      }
      guard let words = tool["description"], !words.isNull else { continue }
      guard words.isString else { throw .expected("a string", at: "\(path).description", got: words) }
      guard words.hasVisibleText, let namespace = tool["name"]?.string, let sent = sentByNamespace[namespace],
        seen.insert(namespace).inserted
      else { continue }
      let begin = ToolKey.inner(namespace: namespace, "").wanted
      // Names that the API refuses begin with something else.
      let isCommon = sent.allSatisfy { $0.hasPrefix(begin) }
      let tools =
        isCommon ? "the tools whose names begin with \(begin)" : "these tools: \(sent.joined(separator: ", "))"
      namespaceWords.append("About \(tools)\n\n\(words.string ?? "")")
      toolLoss.approximated("\(given.field).description", "what is said of a namespace moved to the system text")
    }
  }

  // MARK: Tools that OpenAI runs or knows

  private static let webSearchName = "web_search"

  mutating func declare(_ kind: String, _ given: GivenTool) throws(APIError) {
    if let tool = BuiltInTool(rawValue: kind) { return try declare(tool, given) }
    guard kind == "web_search" else {
      unsupported.insert(kind)
      return toolLoss.add(given.field, "dropped \(kind), which is not supported")
    }
    guard sentByType[kind] == nil else {
      return toolLoss.approximated(given.field, "a tool that is declared twice is sent once")
    }
    sentByType[kind] = [Self.webSearchName]
    tools.append(try webSearch(given))
  }

  /// A search of the web that Anthropic's servers run.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool>
  private mutating func webSearch(_ given: GivenTool) throws(APIError) -> JSON {
    let (tool, path) = (given.tool, given.path)
    let made = JSON(object: ["type": JSON("web_search_20250305"), "name": JSON(Self.webSearchName)])
    for (name, value) in tool.members where !value.isNull {
      switch name {
      case "type": break
      case "user_location":
        guard value.isObject else { throw .expected("an object", at: "\(path).user_location", got: value) }
        made["user_location"] = try location(value, given)
      case "filters":
        guard value.isObject else { throw .expected("an object", at: "\(path).filters", got: value) }
        try filter(made, by: value, given)
      case "search_context_size": if !value.equals("medium") { toolLoss.dropped("\(given.field).search_context_size") }
      case "external_web_access": if value.bool != true { toolLoss.dropped("\(given.field).external_web_access") }
      case "search_content_types":
        if value != JSON(array: [JSON("text")]) { toolLoss.dropped("\(given.field).search_content_types") }
      case "cache_control": made["cache_control"] = value
      default: toolLoss.add("\(given.field).\(name)", "dropped", isKnown: false)
      }
    }
    if let most = field("max_tool_calls") {
      guard let count = most.wholeNumber else { throw .expected("an integer", at: "max_tool_calls", got: most) }
      guard count > 0 else { throw .invalid("max_tool_calls: must be at least 1", param: "max_tool_calls") }
      // No other tool runs on a server.
      made["max_uses"] = JSON(count)
    }
    return made
  }

  private mutating func location(_ place: JSON, _ given: GivenTool) throws(APIError) -> JSON? {
    let path = "\(given.path).user_location"
    let made = JSON(object: ["type": JSON("approximate")])
    for (name, value) in place.members where !value.isNull && name != "type" {
      if ["city", "country", "region", "timezone"].contains(name) {
        guard value.isString else { throw .expected("a string", at: "\(path).\(name)", got: value) }
        if value.hasVisibleText { made[name] = value }
      } else {
        toolLoss.add("\(given.field).user_location.\(name)", "dropped", isKnown: false)
      }
    }
    return made.count > 1 ? made : nil
  }

  private mutating func filter(_ tool: JSON, by filters: JSON, _ given: GivenTool) throws(APIError) {
    let path = "\(given.path).filters"
    for (name, value) in filters.members where !value.isNull {
      guard name == "allowed_domains" || name == "blocked_domains" else {
        toolLoss.add("\(given.field).filters.\(name)", "dropped", isKnown: false)
        continue
      }
      guard value.isArray else { throw .expected("an array", at: "\(path).\(name)", got: value) }
      for (index, domain) in value.elements.enumerated() where !domain.isString {
        throw .expected("a string", at: "\(path).\(name)[\(index)]", got: domain)
      }
      guard value.count > 0 else { continue }
      // The API takes one of the two lists.
      if name == "blocked_domains", filters["allowed_domains"].map({ $0.count > 0 }) == true {
        toolLoss.dropped("\(given.field).filters.blocked_domains")
      } else {
        tool[name] = value
      }
    }
  }

  private mutating func declare(_ kind: BuiltInTool, _ given: GivenTool) throws(APIError) {
    let key = ToolKey.builtIn(kind)
    guard declared[key] == nil else {
      return toolLoss.approximated(given.field, "a tool that is declared twice is sent once")
    }
    let tool = given.tool
    var words = kind.description
    for (name, value) in tool.members where !value.isNull {
      switch name {
      case "type": break
      case "allowed_callers":
        if !FieldNames.Neutral.onlyDirect.includes(value) { toolLoss.dropped("\(given.field).\(name)") }
      case "environment" where kind == .shell:
        guard value.isObject else { throw .expected("an object", at: "\(given.path).environment", got: value) }
        guard value["type"]?.equals("local") == true else {
          // The shell would have to run in a container of OpenAI's.
          unsupported.insert(kind.rawValue)
          return toolLoss.add(given.field, "dropped shell, whose container is not supported")
        }
        words += try skills(value, given)
      default: toolLoss.add("\(given.field).\(name)", "dropped", isKnown: false)
      }
    }
    declared[key] = (tool, tools.count)
    let sent = toolNames.declare(key)
    sentByType[kind.rawValue] = [sent]
    tools.append(
      JSON(object: ["name": JSON(sent), "description": JSON(words), "input_schema": kind.schema]))
  }

  /// What is said of the skills on the client's computer.
  private mutating func skills(_ environment: JSON, _ given: GivenTool) throws(APIError) -> String {
    let path = "\(given.path).environment"
    var words = ""
    for (name, value) in environment.members where !value.isNull && name != "type" {
      guard name == "skills" else {
        toolLoss.add("\(given.field).environment.\(name)", "dropped", isKnown: false)
        continue
      }
      guard value.isArray else { throw .expected("an array", at: "\(path).skills", got: value) }
      for (index, skill) in value.elements.enumerated() {
        for name in ["name", "description", "path"] {
          guard let words = skill[name], !words.isNull, !words.isString else { continue }
          throw .expected("a string", at: "\(path).skills[\(index)].\(name)", got: words)
        }
        let path = skill["path"]?.string.map { " (in \($0))" } ?? ""
        words += "\n- \(skill["name"]?.string ?? "")\(path): \(skill["description"]?.string ?? "")"
      }
    }
    guard !words.isEmpty else { return "" }
    toolLoss.approximated("\(given.field).environment.skills", "moved to the description")
    return "\n\nSkills that the commands can use:" + words
  }

  /// The choice of a tool by its type.
  mutating func choice(ofHosted type: String, _ choice: JSON) throws(APIError) -> JSON {
    guard let kind = HostedTools.kind(of: type) else {
      throw .invalid("tool_choice.type: \(type.clipped) is not supported", param: "tool_choice.type")
    }
    let known: Set<String> = kind == "mcp" ? ["type", "server_label", "name"] : ["type"]
    noteRest(of: choice, "tool_choice", known: known)
    if let sent = sentByType[kind]?.first { return JSON(object: ["type": JSON("tool"), "name": JSON(sent)]) }
    if unsupported.contains(kind) {
      loss.approximated("tool_choice", "auto, since \(kind) is not supported")
      return JSON(object: ["type": JSON("auto")])
    }
    throw .invalid("tool_choice.type: no tool of this request is of type \(type.clipped)", param: "tool_choice.type")
  }
}
