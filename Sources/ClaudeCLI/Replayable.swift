// SPDX-License-Identifier: MIT
import Jansson

extension MessagesRequest {
  /// User turns before the last: each takes the CLI some 20 ms, and ten as long as a start from a transcript.
  private static let mostUserTurns = 10

  /// Whether the conversation reaches the API as it is when it is said to the CLI turn by turn.
  ///
  /// Seen to: text, thinking, tool calls and results, and what is named by a URL. Large images are made smaller on that
  /// way, the beginning of an answer is not gone on with, and empty turns get words of the CLI's own.
  package var isReplayable: Bool {
    let messages = body["messages"]!
    guard messages[0]["role"]!.equals("user"), messages[messages.count - 1]["role"]!.equals("user"),
      messages.elements.count(where: { $0["role"]!.equals("user") }) <= Self.mostUserTurns + 1
    else { return false }
    return messages.elements.allSatisfy { message in
      let content = message["content"]!
      if let text = content.string { return !text.isEmpty }
      return content.count > 0 && content.elements.allSatisfy { Self.isReplayable($0) }
    }
  }

  private static func isReplayable(_ block: JSON) -> Bool {
    switch block["type"]?.string {
    case "text": return block["text"]?.string?.isEmpty == false
    case "thinking", "redacted_thinking", "tool_use": return true
    case "tool_result":
      guard let content = block["content"], !content.isNull else { return true }
      return content.isString || content.elements.allSatisfy { $0["type"]?.equals("text") == true }
    case "image", "document":
      let source = block["source"]?["type"]
      return source?.equals("url") == true || source?.equals("text") == true
    default: return false
    }
  }

  /// Whether it has a system text, on top or among its messages.
  package var hasSystem: Bool { !Conversation(self).system.isEmpty }
}
