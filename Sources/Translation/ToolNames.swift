// SPDX-License-Identifier: MIT
import Jansson

/// The tools of a request by the client's names, and what the Messages API calls them and their properties.
struct ToolNames {
  private struct Tool {
    var sent: String
    /// OpenAI's custom tool: its input is a text, sent as the one property `input`.
    var isCustom = false
    var properties: PropertyNames?
  }

  /// Those that have another name or form than the client's.
  private var tools: [String: Tool] = [:]
  /// Those that the answer's side has to know of, in the order they were declared.
  private var changed = WordList()
  private var names = AcceptedNames(AcceptedNames.tool)
  /// The names of all declared tools; those that the API takes are kept for the tools that have them.
  private var declared: [String] = []

  mutating func reserve(_ name: String) { declared.append(name) }

  /// The name to send for a tool, declared or only called.
  mutating func sent(_ name: String) -> String {
    if let tool = tools[name] { return tool.sent }
    if names.form.accepts(name) { return name }
    for other in declared where names.form.accepts(other) { names.reserve(other) }
    declared = []
    let sent = names.name(for: name)
    tools[name] = Tool(sent: sent)
    changed.add(name)
    return sent
  }

  mutating func declare(_ name: String, isCustom: Bool = false, _ properties: PropertyNames? = nil) -> String {
    let sent = sent(name)
    if isCustom || properties != nil {
      tools[name] = Tool(sent: sent, isCustom: isCustom, properties: properties)
      changed.add(name)
    }
    return sent
  }

  func isCustom(_ name: String) -> Bool { tools[name]?.isCustom ?? false }

  /// The input of a call as the API knows it.
  func input(_ input: JSON, of name: String) -> JSON {
    tools[name]?.properties?.renamed(input: input) ?? input
  }

  /// What ``ClientTools`` needs to know: each tool by the name that is sent. Nil where nothing has another name.
  var forTheAnswer: JSON? {
    guard !changed.isEmpty else { return nil }
    let made = JSON.object
    for name in changed.words {
      let tool = tools[name]!
      let entry = JSON(object: ["name": name == tool.sent ? nil : JSON(name)])
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
