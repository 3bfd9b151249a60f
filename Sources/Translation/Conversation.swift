// SPDX-License-Identifier: MIT
import Jansson
import Records

/// Makes the turns of a Messages conversation of chat messages.
///
/// The API's rules: roles in turns, results of tools at the start of the user turn behind their calls, each call with
/// one result, no empty text. What breaks them is repaired, and said in the ledger.
struct Conversation {
  struct Turn {
    enum Role { case user, assistant, system }
    var role: Role
    var blocks: [JSON] = []
    /// Tool results of a user turn by the id of their call, "" where there is none, in the order they came.
    var results: [(id: String, block: JSON)] = []
  }

  private let takesSystemTurns: Bool
  /// What the tools are called; calls of tools that aren't declared add to it.
  private(set) var tools: ToolNames
  var turns: [Turn] = []
  /// System messages that wait for their place: behind a whole user turn, and nowhere else, may a system turn stand.
  private var heldSystem: [JSON] = []
  var parts = ContentParts()
  private var calls = ToolCalls()
  /// The last call of the legacy form, which has no id, by its position.
  private var legacyCall: String?
  private var sawConversation = false
  /// Hoisted system text, as blocks.
  let system = JSON.array
  /// An assistant turn called tools without signed thinking before it: thinking can't be on for this conversation.
  private(set) var hasToolTurnWithoutThinking = false
  /// The names that are sent for the tools that were called, in order, each once.
  private(set) var called: [String] = []
  private var calledNames: Set<String> = []
  var ownLoss = LossLedger()

  var loss: LossLedger {
    var all = ownLoss
    all.add(parts.loss)
    return all
  }

  init(takesSystemTurns: Bool, _ tools: ToolNames) {
    self.takesSystemTurns = takesSystemTurns
    self.tools = tools
  }

  mutating func take(_ messages: JSON) throws(APIError) {
    for (index, message) in messages.elements.enumerated() {
      let path = "messages[\(index)]"
      guard message.isObject else { throw .invalid("\(path): is not an object", param: path) }
      guard let role = message["role"]?.string else {
        throw .invalid("\(path).role: Field required", param: "\(path).role")
      }
      switch role {
      case "user": try takeUser(message, path)
      case "assistant": try takeAssistant(message, path, index)
      case "tool": try takeTool(message, path)
      case "function": try takeFunction(message, path)
      case "system", "developer": try takeSystem(message, path)
      default:
        throw .invalid(
          "\(path).role is \(role); expected system, developer, user, assistant or tool", param: "\(path).role")
      }
      noteRest(of: message)
    }
    flushSystem()
    guard !heldSystem.isEmpty else { return }
    if turns.isEmpty {
      for block in heldSystem { system.append(block) }
      heldSystem = []
      return
    }
    // Behind an assistant turn no system turn may stand, and the answer must follow something.
    turns.append(Turn(role: .user, blocks: heldSystem))
    heldSystem = []
    ownLoss.approximated("messages.role", "system text at the end is sent as the user's")
  }

  // MARK: Messages by role

  private mutating func takeUser(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    guard let content = message["content"], !content.isNull else {
      throw .invalid("\(path).content: Field required", param: "\(path).content")
    }
    var rest: [JSON] = []
    for block in marked(try parts.blocks(content, path: "\(path).content", of: .user), message) {
      // Anthropic's own results are results like any other.
      if block["type"]?.equals("tool_result") == true {
        guard let id = block["tool_use_id"]?.string else {
          throw .invalid("\(path).content.tool_use_id: Field required", param: "\(path).content")
        }
        putResult(of: id, block.shallowCopy())
      } else {
        rest.append(block)
      }
    }
    put(rest, as: .user)
  }

  /// A `cache_control` on the message itself stands for one on its last block.
  private func marked(_ blocks: [JSON], _ message: JSON) -> [JSON] {
    guard let mark = message["cache_control"], !mark.isNull, let last = blocks.last, last["cache_control"] == nil
    else { return blocks }
    let copy = last.shallowCopy()
    copy["cache_control"] = mark
    return blocks.dropLast() + [copy]
  }

  private mutating func takeAssistant(_ message: JSON, _ path: String, _ index: Int) throws(APIError) {
    sawConversation = true
    var blocks: [JSON] = []
    takeThinking(message, to: &blocks)
    if let content = message["content"], !content.isNull {
      for block in try parts.blocks(content, path: "\(path).content", of: .assistant) {
        blocks.append(Self.isCall(block) ? try toolUse(own: block, "\(path).content") : block)
      }
    }
    if let refusal = message["refusal"], !refusal.isNull {
      guard refusal.isString else { throw .invalid("\(path).refusal: is not a string", param: "\(path).refusal") }
      if let block = parts.text(refusal, nil) { blocks.append(block) }
    }
    if let calls = message["tool_calls"], !calls.isNull {
      guard calls.isArray else { throw .invalid("\(path).tool_calls: is not an array", param: "\(path).tool_calls") }
      for (number, call) in calls.elements.enumerated() {
        blocks.append(try toolUse(call, "\(path).tool_calls[\(number)]"))
      }
    }
    if let call = message["function_call"], !call.isNull {
      guard call.isObject else {
        throw .invalid("\(path).function_call: is not an object", param: "\(path).function_call")
      }
      // No other call is called so: the space would be escaped.
      legacyCall = "call \(index)"
      blocks.append(
        try toolUse(id: callID("call \(index)", "call_\(index)"), function: call, "\(path).function_call"))
    }
    if blocks.contains(where: Self.isCall), !blocks.contains(where: Self.isThinking) {
      hasToolTurnWithoutThinking = true
    }
    put(marked(blocks, message), as: .assistant)
  }

  /// Signed thinking goes back as it came: with tools, the API wants it on the next turn.
  private mutating func takeThinking(_ message: JSON, to blocks: inout [JSON]) {
    var isKept = false
    if let thinking = message["thinking_blocks"], !thinking.isNull {
      if !thinking.isArray { ownLoss.dropped("messages.thinking_blocks") }
      for block in thinking.elements {
        let type = block["type"]
        if type?.equals("redacted_thinking") == true
          || (type?.equals("thinking") == true && block["signature"]?.string?.isEmpty == false)
        {
          blocks.append(Self.withoutIndex(block))
          isKept = true
        } else {
          ownLoss.dropped("messages.thinking_blocks")
        }
      }
    }
    if !isKept, let reasoning = message["reasoning_content"], !reasoning.isNull, reasoning != JSON("") {
      ownLoss.dropped("messages.reasoning_content")
    }
  }

  /// An accumulated stream has the index that its parts had.
  private static func withoutIndex(_ block: JSON) -> JSON {
    guard block["index"] != nil else { return block }
    let made = block.shallowCopy()
    made["index"] = nil
    return made
  }

  private mutating func toolUse(_ call: JSON, _ path: String) throws(APIError) -> JSON {
    let kind = call["type"]?.equals("custom") == true ? "custom" : "function"
    // The name may stand beside the type, as in the Responses API.
    let isFlat = call[kind] == nil && call["name"] != nil
    guard call.isObject, let function = isFlat ? call : call[kind], function.isObject else {
      throw .invalid("\(path).\(kind): Field required", param: "\(path).\(kind)")
    }
    guard let id = call["id"]?.string else { throw .invalid("\(path).id: Field required", param: "\(path).id") }
    let block = try toolUse(
      id: callID(id, ToolIDs.accepted(id)), function: function, isFlat ? path : "\(path).\(kind)",
      isCustom: kind == "custom")
    for name in ToolCallMembers.own { if let value = call[name], !value.isNull { block[name] = value } }
    return block
  }

  /// Anthropic's own form of a call: all of it stays but an id that can't.
  private mutating func toolUse(own call: JSON, _ path: String) throws(APIError) -> JSON {
    guard let id = call["id"]?.string, let name = call["name"]?.string else {
      throw .invalid("\(path): a tool_use lacks its id or its name", param: path)
    }
    let made = call.shallowCopy()
    made["id"] = JSON(callID(id, ToolIDs.accepted(id)))
    made["name"] = JSON(sentName(of: name))
    made["input"] = tools.input(arguments(call["input"]), of: name)
    return made
  }

  /// The id to send for a call of the assistant turn at hand.
  private mutating func callID(_ asked: String, _ accepted: String) -> String {
    let id = calls.add(asked, accepted, turn: turns.last?.role == .assistant ? turns.count - 1 : turns.count)
    if id != accepted { ownLoss.approximated("messages.tool_calls.id", "an id that came twice is sent as another") }
    return id
  }

  private mutating func toolUse(
    id: String, function: JSON, _ path: String, isCustom: Bool = false
  ) throws(APIError) -> JSON {
    guard let name = function["name"]?.string else {
      throw .invalid("\(path).name: Field required", param: "\(path).name")
    }
    let input: JSON
    if isCustom {
      guard let text = function["input"], text.isString else {
        throw .invalid("\(path).input: Field required", param: "\(path).input")
      }
      input = JSON(object: ["input": text])
    } else if tools.isCustom(name), let text = function["arguments"], text.isString {
      // Some clients know a custom tool's calls as those of a function.
      let object = text.string.flatMap { try? JSON.parse($0) }
      input = object?["input"]?.isString == true ? object! : JSON(object: ["input": text])
    } else {
      input = tools.input(arguments(function["arguments"]), of: name)
    }
    return JSON(object: [
      "type": JSON("tool_use"), "id": JSON(id), "name": JSON(sentName(of: name)), "input": input,
    ])
  }

  /// The name to send for a tool that is called.
  private mutating func sentName(of name: String) -> String {
    let sent = tools.sent(name)
    if calledNames.insert(sent).inserted { called.append(sent) }
    return sent
  }

  /// A model's slip in the history must not kill the conversation: what is no JSON object is kept as text.
  private mutating func arguments(_ given: JSON?) -> JSON {
    guard let given, !given.isNull else { return .object }
    if given.isObject { return given }
    let text = given.string ?? given.text
    if text.allSatisfy(\.isWhitespace) { return .object }
    if let parsed = try? JSON.parse(text), parsed.isObject { return parsed }
    ownLoss.approximated("messages.tool_calls.function.arguments", "not a JSON object, sent as raw_arguments")
    return JSON(object: ["raw_arguments": JSON(text)])
  }

  private mutating func takeTool(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    guard let id = message["tool_call_id"]?.string else {
      throw .invalid("\(path).tool_call_id: Field required", param: "\(path).tool_call_id")
    }
    putResult(of: id, try result(message, path))
  }

  private mutating func takeFunction(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    putResult(of: legacyCall ?? "call none", try result(message, path))
    legacyCall = nil
  }

  private mutating func result(_ message: JSON, _ path: String) throws(APIError) -> JSON {
    let blocks: [JSON] =
      if let content = message["content"], !content.isNull {
        try parts.blocks(content, path: "\(path).content", of: .tool)
      } else {
        []
      }
    let result = JSON(object: ["type": JSON("tool_result"), "tool_use_id": JSON("")])
    if message["content"]?.isString == true, let text = blocks.first?["text"] {
      result["content"] = text
    } else if !blocks.isEmpty {
      result["content"] = JSON(array: blocks)
    }
    if message["is_error"]?.bool == true { result["is_error"] = JSON(true) }
    if let mark = message["cache_control"], !mark.isNull { result["cache_control"] = mark }
    return result
  }

  /// Puts a result of the call that asked for that id behind the calls; `result` is changed.
  private mutating func putResult(of asked: String, _ result: JSON) {
    noteOvertaken()
    if turns.last?.role != .user { turns.append(Turn(role: .user)) }
    let last = turns.count - 1
    let answered = calls.answered(by: asked, turn: last - 1)
    let id = answered.first { call in !turns[last].results.contains { $0.id == call } } ?? answered.last ?? ""
    result["tool_use_id"] = JSON(id)
    if !id.isEmpty, let earlier = turns[last].results.firstIndex(where: { $0.id == id }) {
      turns[last].results[earlier].block = result
      ownLoss.approximated("messages.tool_call_id", "of two results of one call the last is sent")
    } else {
      turns[last].results.append((id, result))
    }
  }

  private mutating func takeSystem(_ message: JSON, _ path: String) throws(APIError) {
    guard let content = message["content"], !content.isNull else {
      throw .invalid("\(path).content: Field required", param: "\(path).content")
    }
    let blocks = marked(try parts.blocks(content, path: "\(path).content", of: .system), message)
    if sawConversation, takesSystemTurns {
      heldSystem += blocks
      return
    }
    for block in blocks { system.append(block) }
    if sawConversation, !blocks.isEmpty {
      ownLoss.approximated("messages.role", "system text in mid-conversation is sent before it")
    }
  }

  static func isCall(_ block: JSON) -> Bool { block["type"]?.equals("tool_use") == true }

  static func isThinking(_ block: JSON) -> Bool {
    block["type"]?.equals("thinking") == true || block["type"]?.equals("redacted_thinking") == true
  }

  /// Puts the held system text behind the user turn that is over.
  private mutating func flushSystem() {
    guard !heldSystem.isEmpty, turns.last?.role == .user else { return }
    turns.append(Turn(role: .system, blocks: heldSystem))
    heldSystem = []
  }

  /// Adds blocks to the turn at hand, or begins a new one; a message left without blocks is none.
  private mutating func put(_ blocks: [JSON], as role: Turn.Role) {
    guard !blocks.isEmpty else { return }
    if role == .assistant { flushSystem() } else { noteOvertaken() }
    if turns.last?.role == role {
      turns[turns.count - 1].blocks += blocks
    } else {
      turns.append(Turn(role: role, blocks: blocks))
    }
  }

  private mutating func noteOvertaken() {
    if !heldSystem.isEmpty {
      ownLoss.approximated("messages.role", "system text is sent behind the user turn that followed it")
    }
  }

  // MARK: What messages carry besides

  private static let handled: Set<String> = [
    "role", "content", "tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content", "thinking_blocks",
    "cache_control", "is_error",
  ]

  private mutating func noteRest(of message: JSON) {
    // Nearly every message is role and content alone.
    if message.count == 2, message["content"] != nil { return }
    for (name, value) in message.members where !Self.handled.contains(name) {
      if value.isNull || ((value.isArray || value.isObject) && value.count == 0) { continue }
      let isKnown = ["name", "audio", "annotations", "reasoning"].contains(name)
      // A function's result names its function, which the call behind its id says too.
      if name == "name", message["role"]?.equals("function") == true || message["role"]?.equals("tool") == true {
        continue
      }
      ownLoss.add("messages.\(name)", "dropped", isKnown: isKnown)
    }
  }
}
