// SPDX-License-Identifier: MIT
import Jansson
import Records

/// Makes the turns of a Messages conversation of chat messages, or of the items of a responses request.
///
/// The API's rules: roles in turns, results of tools at the start of the user turn behind their calls, each call with
/// one result, no empty text. What breaks them is repaired, and said in the ledger.
struct Conversation {
  let names: FieldNames
  private let takesSystemTurns: Bool
  /// What the tools are called; calls of tools that aren't declared add to it.
  var tools: ToolNames
  /// Whether the model goes on with an assistant's message at the end.
  let takesPrefill: Bool
  var turns: [Turn] = []
  /// System messages that wait for their place: behind a whole user turn, and nowhere else, may a system turn stand.
  private var heldSystem: [JSON] = []
  var parts: ContentParts
  var calls = ToolCalls()
  /// The calls of a local shell by the ids of their items.
  var shellCalls: [String: String] = [:]
  /// The last call of the legacy form, which has no id, by its position.
  private var legacyCall: String?
  var sawConversation = false
  /// Hoisted system text, as blocks.
  let system = JSON.array
  private(set) var hasResults = false
  /// An assistant turn called tools without signed thinking before it: thinking can't be on for this conversation.
  var hasToolTurnWithoutThinking = false
  /// The names that are sent for the tools that were called, in order, each once.
  var called: [String] = []
  var calledNames: Set<String> = []
  /// The conversation ends in an assistant's message, whose text the answer is to go on with.
  var endsInPrefill = false
  /// The answer is to go on with the last turn: the API refuses to think then.
  var isPrefilled = false
  /// The thinking of the assistant turn at hand, by what it is known by.
  var thought: (turn: Int, seals: Set<String>) = (-1, [])
  var ownLoss = LossLedger()

  var loss: LossLedger {
    var all = ownLoss
    all.add(parts.loss)
    return all
  }

  /// How many JSON values the arguments of calls may still hold: their trees stand in memory with the request's.
  var nodesLeft: Int

  init(_ names: FieldNames, takesSystemTurns: Bool, takesPrefill: Bool, _ tools: ToolNames, nodesLeft: Int) {
    self.names = names
    parts = ContentParts(names)
    self.nodesLeft = nodesLeft
    self.takesSystemTurns = takesSystemTurns
    self.takesPrefill = takesPrefill
    self.tools = tools
  }

  mutating func take(_ messages: JSON) throws(APIError) {
    // A long conversation and its translation are not in memory together.
    for (index, message) in messages.leavingElements.enumerated() {
      let path = "messages[\(index)]"
      guard message.isObject else { throw .expected("an object", at: path, got: message) }
      guard let role = message["role"]?.string else {
        throw .expected("a string", at: "\(path).role", got: message["role"])
      }
      // An assistant's message without content says nothing of what the answer is to follow.
      if role != "assistant" { endsInPrefill = false }
      switch role {
      case "user": try takeUser(message, path)
      case "assistant": try takeAssistant(message, path, index)
      case "tool": try takeTool(message, path)
      case "function": try takeFunction(message, path)
      case "system", "developer": try takeSystem(message, path)
      default:
        throw .invalid(
          "\(path).role is \(role.clipped); expected system, developer, user, assistant or tool", param: "\(path).role")
      }
      noteRest(of: message)
    }
    placeSystem()
  }

  /// Finds a place for the system text that still waits for one.
  mutating func placeSystem() {
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
    ownLoss.approximated(names.role, "system text at the end is sent as the user's")
  }

  func required(_ content: JSON?, _ path: String) throws(APIError) -> JSON {
    guard let content, !content.isNull else {
      throw .invalid("\(path).content: Field required", param: "\(path).content")
    }
    return content
  }

  // MARK: Messages by role

  mutating func takeUser(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    let content = try required(message["content"], path)
    var rest: [JSON] = []
    let given = try parts.blocks(content, path: "\(path).content", of: .user)
    for block in marked(given, message) {
      // Anthropic's own results are results like any other.
      if block["type"]?.equals("tool_result") == true {
        guard let id = block["tool_use_id"]?.string else {
          throw .expected(
            "a string", at: "\(path).content.tool_use_id", got: block["tool_use_id"], param: "\(path).content")
        }
        putResult(of: id, block.shallowCopy())
      } else {
        rest.append(block)
      }
    }
    put(rest, as: .user)
  }

  /// A `cache_control` on the message itself stands for one on its last block.
  mutating func marked(_ blocks: [JSON], _ message: JSON) -> [JSON] {
    // Nearly every message is role and content alone.
    guard message.count > 2, let mark = message["cache_control"], !mark.isNull, let last = blocks.last,
      last["cache_control"] == nil
    else { return blocks }
    parts.mayHaveMarks = true
    let copy = last.shallowCopy()
    copy["cache_control"] = mark
    return blocks.dropLast() + [copy]
  }

  private mutating func takeAssistant(_ message: JSON, _ path: String, _ index: Int) throws(APIError) {
    sawConversation = true
    var content: [JSON] = []
    if let given = message["content"], !given.isNull {
      content = try parts.blocks(given, path: "\(path).content", of: .assistant)
    }
    var blocks: [JSON] = []
    takeThinking(message, beside: content, to: &blocks)
    for block in content { blocks.append(Self.isCall(block) ? try toolUse(own: block, "\(path).content") : block) }
    if let refusal = message["refusal"], !refusal.isNull {
      guard refusal.isString else { throw .expected("a string", at: "\(path).refusal", got: refusal) }
      if let block = parts.text(refusal, nil) { blocks.append(block) }
    }
    if let calls = message["tool_calls"], !calls.isNull {
      guard calls.isArray else { throw .expected("an array", at: "\(path).tool_calls", got: calls) }
      for (number, call) in calls.leavingElements.enumerated() {
        blocks.append(try toolUse(call, "\(path).tool_calls[\(number)]"))
      }
    }
    if let call = message["function_call"], !call.isNull {
      guard call.isObject else { throw .expected("an object", at: "\(path).function_call", got: call) }
      // No other call is called so: the space would be escaped.
      legacyCall = "call \(index)"
      blocks.append(
        try toolUse(id: callID("call \(index)", "call_\(index)"), function: call, "\(path).function_call"))
      noteRest(ofCall: .object, call, isFlat: false)
    }
    blocks = withThinkingOnce(blocks)
    if blocks.contains(where: Self.isCall), !blocks.contains(where: Self.isThinking) {
      hasToolTurnWithoutThinking = true
    }
    if !blocks.isEmpty { endsInPrefill = true }
    put(marked(blocks, message), as: .assistant)
  }

  private mutating func takeTool(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    guard let id = message["tool_call_id"]?.string else {
      throw .expected("a string", at: "\(path).tool_call_id", got: message["tool_call_id"])
    }
    putResult(of: id, try result(message, path))
  }

  private mutating func takeFunction(_ message: JSON, _ path: String) throws(APIError) {
    sawConversation = true
    putResult(of: legacyCall ?? "call none", try result(message, path))
    legacyCall = nil
  }

  /// The result of a call, whose content is the member of that name.
  mutating func result(_ message: JSON, _ path: String, _ member: StaticString = "content") throws(APIError) -> JSON {
    let field = parts.field
    if names.hasHostedTools { parts.field = "\(names.turns).\(member)" }
    defer { parts.field = field }
    let blocks: [JSON] =
      if let content = message[member], !content.isNull {
        try parts.blocks(content, path: "\(path).\(member)", of: .tool)
      } else {
        []
      }
    let result = JSON(object: ["type": JSON("tool_result"), "tool_use_id": JSON("")])
    if message[member]?.isString == true, let text = blocks.first?["text"] {
      result["content"] = text
    } else if !blocks.isEmpty {
      result["content"] = JSON(array: blocks)
    }
    if message["is_error"]?.bool == true { result["is_error"] = JSON(true) }
    if let mark = message["cache_control"], !mark.isNull {
      result["cache_control"] = mark
      parts.mayHaveMarks = true
    }
    return result
  }

  /// Puts a result of the call that asked for that id behind the calls; `result` is changed.
  mutating func putResult(of asked: String, _ result: JSON) {
    hasResults = true
    noteOvertaken()
    if turns.last?.role != .user { turns.append(Turn(role: .user)) }
    let last = turns.count - 1
    let id = calls.answer(asked, turn: last - 1) ?? ""
    result["tool_use_id"] = JSON(id)
    if turns[last].put(result, of: id) {
      ownLoss.approximated(names.resultID, "of two results of one call the last is sent")
    }
  }

  mutating func takeSystem(_ message: JSON, _ path: String) throws(APIError) {
    let content = try required(message["content"], path)
    let given = try parts.blocks(content, path: "\(path).content", of: .system)
    let blocks = marked(given, message)
    if sawConversation, takesSystemTurns {
      heldSystem += blocks
      return
    }
    for block in blocks { system.append(block) }
    if sawConversation, !blocks.isEmpty {
      ownLoss.approximated(names.role, "system text in mid-conversation is sent before it")
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
  mutating func put(_ blocks: [JSON], as role: Turn.Role) {
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
      ownLoss.approximated(names.role, "system text is sent behind the user turn that followed it")
    }
  }
}
