// SPDX-License-Identifier: MIT
import Jansson
import Records

// Calls of tools, in either vendor's form.
extension Conversation {
  /// A call in OpenAI's form as a block.
  mutating func toolUse(_ call: JSON, _ path: String) throws(APIError) -> JSON {
    guard call.isObject else { throw .expected("an object", at: path, got: call) }
    let kind = call["type"]?.equals("custom") == true ? "custom" : "function"
    // The name may stand beside the type, as in the Responses API.
    let isFlat = call[kind] == nil && call["name"] != nil
    guard let function = isFlat ? call : call[kind], function.isObject else {
      throw .expected("an object", at: "\(path).\(kind)", got: call[kind])
    }
    guard let id = call["id"]?.string else { throw .expected("a string", at: "\(path).id", got: call["id"]) }
    let block = try toolUse(
      id: callID(id, ToolIDs.accepted(id)), function: function, isFlat ? path : "\(path).\(kind)",
      isCustom: kind == "custom")
    for name in ToolCallMembers.own { if let value = call[name], !value.isNull { block[name] = value } }
    if let mark = call["cache_control"], !mark.isNull {
      parts.mayHaveMarks = true
      block["cache_control"] = mark
    }
    noteRest(ofCall: call, function, isFlat: isFlat)
    return block
  }

  /// Anthropic's own form of a call: all of it stays but an id that can't.
  mutating func toolUse(own call: JSON, _ path: String) throws(APIError) -> JSON {
    guard let id = call["id"]?.string, let name = call["name"]?.string else {
      throw .invalid("\(path): a tool_use lacks its id or its name", param: path)
    }
    let made = call.shallowCopy()
    made["id"] = JSON(callID(id, ToolIDs.accepted(id)))
    made["name"] = JSON(sentName(of: .tool(name)))
    made["input"] = tools.input(arguments(call["input"]), of: .tool(name))
    return made
  }

  /// The id to send for a call of the assistant turn at hand.
  mutating func callID(_ asked: String, _ accepted: String) -> String {
    let id = calls.add(asked, accepted, turn: turns.last?.role == .assistant ? turns.count - 1 : turns.count)
    if id != accepted { ownLoss.approximated(names.callID, "an id that came twice is sent as another") }
    return id
  }

  mutating func toolUse(
    id: String, function: JSON, _ path: String, isCustom: Bool = false, namespace: String? = nil
  ) throws(APIError) -> JSON {
    guard let name = function["name"]?.string else {
      throw .expected("a string", at: "\(path).name", got: function["name"])
    }
    let key = namespace.map { ToolKey.inner(namespace: $0, name) } ?? .tool(name)
    let input: JSON
    if isCustom {
      guard let text = function["input"], text.isString else {
        throw .expected("a string", at: "\(path).input", got: function["input"])
      }
      input = JSON(object: ["input": text])
    } else if tools.isCustom(key), let text = function["arguments"], text.isString {
      // Some clients know a custom tool's calls as those of a function.
      let object = text.withUTF8 { try? JSON.parse($0, nodesLeft: &nodesLeft) } ?? nil
      input = object?["input"]?.isString == true ? object! : JSON(object: ["input": text])
    } else {
      input = tools.input(arguments(function["arguments"]), of: key)
    }
    return JSON(object: [
      "type": JSON("tool_use"), "id": JSON(id), "name": JSON(sentName(of: key)), "input": input,
    ])
  }

  /// The name to send for a tool that is called.
  mutating func sentName(of key: ToolKey) -> String {
    let sent = tools.sent(key)
    if calledNames.insert(sent).inserted { called.append(sent) }
    return sent
  }

  /// A model's slip in the history must not kill the conversation: what is no JSON object is kept as text.
  private mutating func arguments(_ given: JSON?) -> JSON {
    guard let given, !given.isNull else { return .object }
    if given.isObject { return given }
    if given.isString, !given.hasVisibleText { return .object }
    let parsed = given.withUTF8 { try? JSON.parse($0, nodesLeft: &nodesLeft) } ?? nil
    if let parsed, parsed.isObject { return parsed }
    let text = given.string ?? given.text
    ownLoss.approximated(names.arguments, "not a JSON object, sent as raw_arguments")
    return JSON(object: ["raw_arguments": JSON(text)])
  }
}
