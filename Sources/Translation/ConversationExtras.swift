// SPDX-License-Identifier: MIT
import Jansson
import Records

// What messages carry beside their role, content and calls.
extension Conversation {
  /// Signed thinking goes back as it came: with tools, the API wants it on the next turn.
  ///
  /// - Parameter content: the message's own blocks; thinking that stands among them too goes there alone.
  mutating func takeThinking(_ message: JSON, beside content: [JSON], to blocks: inout [JSON]) {
    var kept: Set<String> = []
    for block in content where Self.isThinking(block) { kept.insert(Self.seal(of: block) ?? "") }
    if let thinking = message["thinking_blocks"], !thinking.isNull {
      if !thinking.isArray { ownLoss.dropped("messages.thinking_blocks") }
      for block in thinking.elements {
        if Self.isThinking(block), let seal = Self.seal(of: block) {
          parts.mayHaveMarks = true
          if kept.insert(seal).inserted { blocks.append(block) }
        } else {
          ownLoss.dropped("messages.thinking_blocks")
        }
      }
    }
    if kept.isEmpty, let reasoning = message["reasoning_content"], !reasoning.isNull, reasoning != JSON("") {
      ownLoss.dropped("messages.reasoning_content")
    }
  }

  /// What a thinking block is known by: its signature and text, or its data where it is redacted; nil for one that the
  /// API would refuse.
  static func seal(of block: JSON) -> String? {
    let isOpen = block["type"]?.equals("thinking") == true
    guard let seal = isOpen ? block["signature"]?.string : block["data"]?.string, !seal.isEmpty else { return nil }
    return isOpen ? seal + "\n" + (block["thinking"]?.string ?? "") : seal
  }

  /// The blocks of an assistant's message, each thinking with what the API takes of it, and once in its turn: clients
  /// that make a message of each call repeat the thinking in front of all.
  mutating func withThinkingOnce(_ blocks: [JSON]) -> [JSON] {
    guard blocks.contains(where: Self.isThinking) else { return blocks }
    let turn = turns.last?.role == .assistant ? turns.count - 1 : turns.count
    if turn != thought.turn { thought = (turn, []) }
    var made: [JSON] = []
    for block in blocks {
      guard Self.isThinking(block), let seal = Self.seal(of: block) else {
        made.append(block)
        continue
      }
      if thought.seals.insert(seal).inserted { made.append(bare(block)) }
    }
    return made
  }

  /// Thinking without the members that clients add to it, which the API refuses.
  private mutating func bare(_ block: JSON) -> JSON {
    let made = JSON.object
    for (name, value) in block.members {
      if Self.ownOfThinking.contains(name) {
        made[name] = value
      } else if name != "index", !value.isNull {
        // An accumulated stream has the index that its parts had.
        ownLoss.add("\(names.thinking).\(name)", "dropped", isKnown: false)
      }
    }
    return made.count == block.count ? block : made
  }

  private static let ownOfThinking: Set<String> = ["type", "thinking", "signature", "data", "cache_control"]

  /// Puts what a call carries beside the members that are sent into the ledger.
  mutating func noteRest(ofCall call: JSON, _ function: JSON, isFlat: Bool) {
    // Nearly every call is an id, a type and a function of a name and arguments.
    if !isFlat, call.count == 3, function.count == 2, call["type"] != nil, function["arguments"] != nil { return }
    for (name, value) in call.members where !Self.ofCalls.contains(name) && !value.isNull {
      if isFlat, Self.ofFunctions.contains(name) { continue }
      ownLoss.add("messages.tool_calls.\(name)", "dropped", isKnown: false)
    }
    if isFlat { return }
    for (name, value) in function.members where !Self.ofFunctions.contains(name) && !value.isNull {
      ownLoss.add("messages.tool_calls.function.\(name)", "dropped", isKnown: false)
    }
  }

  /// The index is the one that the call had in a stream.
  private static let ofCalls = Set(
    ToolCallMembers.own + ["id", "type", "function", "custom", "index", "cache_control"])
  private static let ofFunctions: Set<String> = ["name", "arguments", "input"]

  private static let handled: Set<String> = [
    "role", "content", "tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content", "thinking_blocks",
    "cache_control", "is_error",
  ]

  mutating func noteRest(of message: JSON) {
    // Nearly every message is role and content alone.
    if message.count == 2, message["content"] != nil { return }
    for (name, value) in message.members where !Self.handled.contains(name) {
      if value.isNull || ((value.isArray || value.isObject) && value.count == 0) { continue }
      let isKnown = ["name", "audio", "annotations", "reasoning"].contains(name)
      // A function's result names its function, which the call with its id names too.
      if name == "name", message["role"]?.equals("function") == true || message["role"]?.equals("tool") == true {
        continue
      }
      ownLoss.add("messages.\(name)", "dropped", isKnown: isKnown)
    }
  }
}
