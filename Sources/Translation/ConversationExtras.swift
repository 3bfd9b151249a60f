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
          if kept.insert(seal).inserted { blocks.append(Self.bare(block)) }
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
  private static func seal(of block: JSON) -> String? {
    let isOpen = block["type"]?.equals("thinking") == true
    guard let seal = isOpen ? block["signature"]?.string : block["data"]?.string, !seal.isEmpty else { return nil }
    return isOpen ? seal + "\n" + (block["thinking"]?.string ?? "") : seal
  }

  /// An accumulated stream has the index that its parts had.
  private static func bare(_ block: JSON) -> JSON {
    guard block["index"] != nil else { return block }
    let made = block.shallowCopy()
    made["index"] = nil
    return made
  }

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
