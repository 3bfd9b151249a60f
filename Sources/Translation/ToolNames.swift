// SPDX-License-Identifier: MIT
import Jansson

/// What a client calls a tool.
enum ToolKey: Hashable {
  case tool(String)
  /// One of several tools under a common name.
  case inner(namespace: String, String)
  case builtIn(BuiltInTool)

  /// The name that would be sent if the API took every name.
  var wanted: String {
    switch self {
    case .tool(let name): name
    case .inner(let namespace, let name): namespace.hasSuffix("__") ? namespace + name : namespace + "__" + name
    case .builtIn(let kind): kind.rawValue
    }
  }
}

/// The tools of a request by the client's names, and what the Messages API calls them and their properties.
struct ToolNames {
  private struct Tool {
    var sent: String
    /// OpenAI's custom tool: its input is a text, sent as the one property `input`.
    var isCustom = false
    var properties: PropertyNames?
  }

  /// Those that have another name or form than the client's.
  private var tools: [ToolKey: Tool] = [:]
  /// Those that the answer's side has to know of, in the order they were declared.
  private var changed: [ToolKey] = []
  /// The names of the server's own tools.
  private var occupied: Set<String> = []
  private var names = AcceptedNames(AcceptedNames.tool)
  /// The names of all declared tools; those that the API takes are kept for the tools that have them.
  private var declared: [String] = []

  mutating func reserve(_ name: String) { declared.append(name) }

  /// Keeps the name of a tool of the server, which has no other, from the client's tools.
  mutating func occupy(_ name: String) {
    occupied.insert(name)
    names.reserve(name)
  }

  /// The name to send for a tool, declared or only called.
  mutating func sent(_ key: ToolKey) -> String {
    if let tool = tools[key] { return tool.sent }
    let wanted = key.wanted
    if case .tool = key, names.form.accepts(wanted), !occupied.contains(wanted) { return wanted }
    for other in declared where names.form.accepts(other) { names.reserve(other) }
    declared = []
    let sent = names.name(for: wanted)
    add(Tool(sent: sent), key)
    return sent
  }

  private mutating func add(_ tool: Tool, _ key: ToolKey) {
    if tools.updateValue(tool, forKey: key) == nil { changed.append(key) }
  }

  mutating func declare(_ key: ToolKey, isCustom: Bool = false, _ properties: PropertyNames? = nil) -> String {
    let sent = sent(key)
    // Of two declarations of one tool the later one holds.
    if isCustom || properties != nil || tools[key] != nil {
      add(Tool(sent: sent, isCustom: isCustom, properties: properties), key)
    }
    return sent
  }

  func isCustom(_ key: ToolKey) -> Bool { tools[key]?.isCustom ?? false }

  /// The input of a call as the API knows it.
  func input(_ input: JSON, of key: ToolKey) -> JSON {
    tools[key]?.properties?.renamed(input: input) ?? input
  }

  /// What ``ClientTools`` needs to know: each tool by the name that is sent. Nil where nothing has another name.
  var forTheAnswer: JSON? {
    guard !changed.isEmpty else { return nil }
    let made = JSON.object
    for key in changed {
      let tool = tools[key]!
      let entry = JSON.object
      switch key {
      case .tool(let name): if name != tool.sent { entry["name"] = JSON(name) }
      case .inner(let namespace, let name):
        entry["name"] = JSON(name)
        entry["namespace"] = JSON(namespace)
      case .builtIn(let kind): entry["item"] = JSON(kind.item)
      }
      if tool.isCustom { entry["custom"] = JSON(true) }
      if let properties = tool.properties {
        let keys = JSON.object
        for pair in properties.pairs { keys[pair.sent] = JSON(pair.given) }
        entry["keys"] = keys
      }
      made[tool.sent] = entry
    }
    return made
  }
}
