// SPDX-License-Identifier: MIT
import Jansson
import Records

// Calls and their results, as items of a responses request.
extension Conversation {
  mutating func take(call: JSON, _ path: String, isCustom: Bool) throws(APIError) {
    let id = try callID(of: call, path)
    let given = call["namespace"] ?? .null
    guard given.isNull || given.isString else { throw .expected("a string", at: "\(path).namespace", got: given) }
    let namespace = given.string.flatMap { $0.isEmpty ? nil : $0 }
    let block = try toolUse(id: "", function: call, path, isCustom: isCustom, namespace: namespace)
    // Some clients send the calls of a response again, although previous_response_id brings them.
    if let first = calls.first(for: id, turn: turns.count - 1), first["name"] == block["name"],
      first["input"] == block["input"]
    {
      return ownLoss.approximated(names.call, "a call that came twice is sent once")
    }
    block["id"] = JSON(callID(id, ToolIDs.accepted(id)))
    calls.note(block, for: id)
    say([block])
  }

  private func callID(of call: JSON, _ path: String) throws(APIError) -> String {
    guard let id = call["call_id"]?.string else {
      throw .expected("a string", at: "\(path).call_id", got: call["call_id"])
    }
    return id
  }

  /// A call of a tool that OpenAI's models know by themselves: its fields are the input.
  mutating func take(call: JSON, of kind: BuiltInTool, _ path: String) throws(APIError) {
    let id = try callID(of: call, path)
    guard let action = call[kind.member], action.isObject else {
      throw .expected("an object", at: "\(path).\(kind.member)", got: call[kind.member])
    }
    let input = JSON.object
    for (name, value) in action.members where !value.isNull {
      // Of a patch the type says what to do; of the others it is always the same.
      if name != "type" || kind == .applyPatch { input[name] = value }
    }
    if kind == .localShell, let item = call["id"]?.string { shellCalls[item] = id }
    say([
      JSON(object: [
        "type": JSON("tool_use"), "id": JSON(callID(id, ToolIDs.accepted(id))),
        "name": JSON(sentName(of: .builtIn(kind))), "input": input,
      ])
    ])
  }

  /// Which call a result is of; "" where it doesn't say so.
  func resultID(_ item: JSON, _ type: String, _ path: String) throws(APIError) -> String {
    if let id = item["call_id"], !id.isNull { return try callID(of: item, path) }
    // The result of a local shell has the id of its call's item.
    guard type == "local_shell_call_output", let id = item["id"], !id.isNull else { return "" }
    guard let id = id.string else { throw .expected("a string", at: "\(path).id", got: id) }
    return shellCalls[id] ?? id
  }

  /// What commands printed, and how they ended: the list as it is, as text.
  mutating func shellResult(_ item: JSON, _ path: String) throws(APIError) -> JSON {
    guard let output = item["output"], output.isArray else { return try result(item, path, "output") }
    for (index, one) in output.elements.enumerated() where !one.isObject {
      throw .expected("an object", at: "\(path).output[\(index)]", got: one)
    }
    return JSON(object: [
      "type": JSON("tool_result"), "tool_use_id": JSON(""), "content": output.count > 0 ? JSON(output.text) : nil,
    ])
  }

  // MARK: Items of OpenAI's servers

  /// An item that a tool of OpenAI's made: its text, if it has one. False for a type that is not known.
  mutating func take(serverItem item: JSON, _ type: String, _ path: String) throws(APIError) -> Bool {
    guard let members = Self.serverItems[type] else { return false }
    var blocks: [JSON] = []
    for member in members {
      let value = item[member] ?? .null
      if value.isString {
        if let block = parts.text(value, nil) { blocks.append(block) }
      } else {
        for part in value.elements {
          if let words = part["text"] ?? part["logs"], words.isString, let block = parts.text(words, nil) {
            blocks.append(block)
          }
        }
      }
    }
    if blocks.isEmpty {
      ownLoss.add(names.turns, "dropped \(type)")
    } else {
      ownLoss.approximated(names.turns, "the text of \(type) is sent as the assistant's")
      say(blocks)
    }
    return true
  }

  /// The members of the servers' items that hold a text, by type.
  private static let serverItems: [String: [String]] = [
    "web_search_call": [], "file_search_call": ["results"], "code_interpreter_call": ["code", "outputs"],
    "image_generation_call": [], "computer_call": [], "computer_call_output": [], "mcp_list_tools": [],
    "mcp_approval_request": [], "mcp_approval_response": [], "mcp_call": ["output"], "tool_search_call": [],
    "tool_search_output": [], "program": ["code"], "program_output": ["result"],
  ]
}
