// SPDX-License-Identifier: MIT
import Jansson
import Records

// The items of a responses request.
extension Conversation {
  /// - SeeAlso: `ResponseInputItemParam` of OpenAI's SDK
  mutating func take(items: JSON) throws(APIError) {
    // A long conversation and its translation are not in memory together.
    for (index, item) in items.leavingElements.enumerated() {
      let path = "\(names.turns)[\(index)]"
      guard item.isObject else { throw .expected("an object", at: path, got: item) }
      let type = try Self.type(of: item, path)
      guard try take(item, type, path) else {
        throw .invalid("\(path).type is \(type.clipped), which is not supported", param: "\(path).type")
      }
      noteRest(of: item, type)
    }
    placeSystem()
    settleThinking()
  }

  /// The one turn of a request whose input is a text.
  mutating func take(text: JSON) {
    if let block = parts.text(text, nil) { put([block], as: .user) }
  }

  /// A message may leave its type out, and so may a reference.
  private static func type(of item: JSON, _ path: String) throws(APIError) -> String {
    if let type = item["type"], !type.isNull {
      guard let type = type.string else { throw .expected("a string", at: "\(path).type", got: type) }
      return type
    }
    if item["role"] != nil { return "message" }
    guard item["id"] != nil, item["content"] == nil, item["call_id"] == nil else {
      throw .expected("a string", at: "\(path).type", got: nil)
    }
    return "item_reference"
  }

  /// Whether it is an item that is known.
  private mutating func take(_ item: JSON, _ type: String, _ path: String) throws(APIError) -> Bool {
    switch type {
    case "message": try take(message: item, path)
    case "function_call", "custom_tool_call": try take(call: item, path, isCustom: type == "custom_tool_call")
    case "local_shell_call": try take(call: item, of: .localShell, path)
    case "shell_call": try take(call: item, of: .shell, path)
    case "apply_patch_call": try take(call: item, of: .applyPatch, path)
    case "function_call_output", "custom_tool_call_output", "local_shell_call_output":
      try hear(result(item, path, "output"), of: item, type, path)
    case "shell_call_output": try hear(shellResult(item, path), of: item, type, path)
    case "apply_patch_call_output":
      let result = try result(item, path, "output")
      if item["status"]?.equals("failed") == true { result["is_error"] = JSON(true) }
      if result["content"] == nil { result["content"] = item["status"] }
      try hear(result, of: item, type, path)
    case "reasoning": takeReasoning(item)
    case "compaction": try takeCompaction(item, path)
    case "item_reference":
      guard let id = item["id"]?.string else { throw .expected("a string", at: "\(path).id", got: item["id"]) }
      throw APIError(
        status: 400,
        "\(path).id: the item \(id.clipped) is not kept here; "
          + "send the item itself, or switch the store on (RESPONSES_STORE=on)",
        param: "\(path).id", code: "previous_response_not_found")
    case "compaction_trigger":
      throw .invalid("\(path): compaction on demand is not supported; send a shorter input", param: path)
    case "additional_tools", "configuration_update": break  // They were looked at before the conversation.
    default: return try take(serverItem: item, type, path)
    }
    return true
  }

  // MARK: Messages

  private mutating func take(message: JSON, _ path: String) throws(APIError) {
    guard let role = message["role"]?.string else {
      throw .expected("a string", at: "\(path).role", got: message["role"])
    }
    if role != "assistant" { endsInPrefill = false }
    switch role {
    case "user": try takeUser(message, path)
    case "assistant":
      let content = try required(message["content"], path)
      var blocks: [JSON] = []
      for block in try parts.blocks(content, path: "\(path).content", of: .assistant) {
        blocks.append(Self.isCall(block) ? try toolUse(own: block, "\(path).content") : block)
      }
      say(marked(blocks, message))
    case "system", "developer": try takeSystem(message, path)
    default:
      throw .invalid(
        "\(path).role is \(role.clipped); expected system, developer, user or assistant", param: "\(path).role")
    }
  }

  /// Adds to what the assistant says.
  mutating func say(_ blocks: [JSON]) {
    sawConversation = true
    let blocks = withThinkingOnce(blocks)
    if !blocks.isEmpty { endsInPrefill = true }
    put(blocks, as: .assistant)
  }

  /// Adds the result of a call, which the answer has to follow.
  private mutating func hear(_ result: JSON, of item: JSON, _ type: String, _ path: String) throws(APIError) {
    sawConversation = true
    endsInPrefill = false
    putResult(of: try resultID(item, type, path), result)
  }

  // MARK: Reasoning

  /// Takes thinking that this proxy sealed. The API can't read what another service sealed.
  private mutating func takeReasoning(_ item: JSON) {
    if let sealed = item["encrypted_content"], !sealed.isNull {
      guard let blocks = ReasoningSeal.open(sealed, nodesLeft: &nodesLeft),
        blocks.allSatisfy({ Self.isThinking($0) && Self.seal(of: $0) != nil })
      else { return ownLoss.add(names.thinking, "dropped (damaged, or not from here)") }
      parts.mayHaveMarks = true
      return say(blocks)
    }
    let isEmpty = (item["summary"].map(\.isEmpty) ?? true) && (item["content"].map(\.isEmpty) ?? true)
    if !isEmpty {
      ownLoss.add("\(names.turns).summary", "dropped (reasoning without its signature can't go back)")
    }
  }

  private mutating func takeCompaction(_ item: JSON, _ path: String) throws(APIError) {
    let path = "\(path).encrypted_content"
    guard let sealed = item["encrypted_content"], sealed.isString else {
      throw .expected("a string", at: path, got: item["encrypted_content"])
    }
    guard let blocks = ReasoningSeal.open(sealed, nodesLeft: &nodesLeft),
      blocks.allSatisfy({ $0["type"]?.equals("compaction") == true })
    else {
      throw .invalid("\(path): the compacted conversation is damaged or was made by another service", param: path)
    }
    parts.mayHaveMarks = true
    say(blocks)
    // It sums up what came before, and begins no answer.
    endsInPrefill = false
  }

  /// Brings thinking to where the API takes it: at the start of what the assistant says, and never at its end.
  private mutating func settleThinking() {
    var isEmptied = false
    for index in turns.indices where turns[index].role == .assistant {
      while let last = turns[index].blocks.last, Self.isThinking(last) {
        turns[index].blocks.removeLast()
        ownLoss.add(names.thinking, "dropped (nothing follows that was said after it)")
        isEmptied = isEmptied || turns[index].isEmpty
      }
      let blocks = turns[index].blocks
      // What was compacted stands before all.
      let start = (blocks.lastIndex { $0["type"]?.equals("compaction") == true } ?? -1) + 1
      if blocks[..<start].contains(where: Self.isCall) { hasToolTurnWithoutThinking = true }
      guard start < blocks.count, !Self.isThinking(blocks[start]) else { continue }
      if let first = blocks[start...].firstIndex(where: Self.isThinking) {
        let end = blocks[first...].firstIndex { !Self.isThinking($0) } ?? blocks.count
        turns[index].blocks = Array(blocks[..<start] + blocks[first..<end] + blocks[start..<first] + blocks[end...])
      } else if blocks.contains(where: Self.isCall) {
        hasToolTurnWithoutThinking = true
      }
    }
    if isEmptied { mergeTurns() }
  }

  // MARK: Members that are not sent

  /// Puts what an item carries besides into the ledger.
  private mutating func noteRest(of item: JSON, _ type: String) {
    // Nearly every message is role and content alone.
    if item.count == 2, type == "message" { return }
    for (name, value) in item.members where !value.isEmpty && !Self.ofAll.contains(name) {
      if Self.ofItems[type]?.contains(name) == true { continue }
      // What a server's item holds was told with it.
      if Self.ofItems[type] == nil { return }
      if name == "caller", value["type"]?.equals("direct") == true { continue }
      if name == "async", value.bool == false { continue }
      if name == "environment", value.count == 1, value["type"]?.equals("local") == true { continue }
      let isKnown = Self.withoutCounterpart.contains(name)
      ownLoss.add("\(names.turns).\(name)", "dropped", isKnown: isKnown)
    }
  }

  private static let ofAll: Set<String> = ["type", "id", "status"]
  /// `phase` tells a commentary from the answer, and `caller` a program of OpenAI's from the model.
  private static let withoutCounterpart: Set<String> = [
    "phase", "caller", "async", "environment", "max_output_length",
  ]
  private static let ofItems: [String: Set<String>] = [
    "message": ["role", "content", "cache_control"], "function_call": ["call_id", "name", "namespace", "arguments"],
    "custom_tool_call": ["call_id", "name", "namespace", "input"],
    "function_call_output": ["call_id", "output", "name", "namespace", "cache_control"],
    "custom_tool_call_output": ["call_id", "output", "name", "cache_control"],
    "local_shell_call": ["call_id", "action"], "local_shell_call_output": ["call_id", "output"],
    "shell_call": ["call_id", "action"], "shell_call_output": ["call_id", "output"],
    "apply_patch_call": ["call_id", "operation"], "apply_patch_call_output": ["call_id", "output"],
    "reasoning": ["summary", "content", "encrypted_content"], "compaction": ["encrypted_content"],
    "additional_tools": ["role", "tools"], "configuration_update": ["reasoning", "text"],
  ]
}
