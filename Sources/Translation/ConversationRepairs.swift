// SPDX-License-Identifier: MIT
import Jansson
import Records

// What the API refuses is repaired when all turns are there.
extension Conversation {
  /// The turns as the API wants them.
  mutating func finish() -> JSON {
    matchResults()
    if turns.isEmpty || turns[0].role != .user {
      let text = JSON(object: ["type": JSON("text"), "text": JSON("Please continue.")])
      ownLoss.approximated("messages", "a user turn was added, since the conversation must begin with one")
      turns.insert(Turn(role: .user, blocks: [text]), at: 0)
    }
    trimPrefill()
    let made = JSON.array
    for turn in turns {
      let role: StaticString =
        switch turn.role {
        case .user: "user"
        case .assistant: "assistant"
        case .system: "system"
        }
      made.append(
        JSON(object: ["role": JSON("\(role)"), "content": JSON(array: turn.results.map(\.block) + turn.blocks)]))
    }
    return made
  }

  /// Holds each call to one result in the turn behind it, and each result to a call in the turn before it.
  private mutating func matchResults() {
    var index = 0
    while index < turns.count {
      let calls =
        turns[index].role == .assistant
        ? turns[index].blocks.filter(Self.isCall).compactMap { $0["id"]?.string } : []
      if !calls.isEmpty, index + 1 == turns.count || turns[index + 1].role != .user {
        turns.insert(Turn(role: .user), at: index + 1)
      }
      if index + 1 < turns.count, turns[index + 1].role == .user { match(index + 1, with: calls) }
      index += 1
    }
    if let first = turns.first, first.role == .user { match(0, with: []) }
    mergeTurns()
  }

  /// Leaves out turns that hold nothing; those they stood between become one.
  private mutating func mergeTurns() {
    var merged: [Turn] = []
    for turn in turns where !turn.blocks.isEmpty || !turn.results.isEmpty {
      if merged.last?.role == turn.role {
        merged[merged.count - 1].blocks += turn.blocks
      } else {
        merged.append(turn)
      }
    }
    turns = merged
  }

  private mutating func match(_ index: Int, with calls: [String]) {
    var results: [(id: String, block: JSON)] = []
    var orphans: [JSON] = []
    for result in turns[index].results {
      if calls.contains(result.id) {
        results.append(result)
      } else {
        orphans.append(contentsOf: text(of: result.block))
        ownLoss.approximated("messages.tool_call_id", "a result without its call is sent as text")
      }
    }
    for call in calls where !results.contains(where: { $0.id == call }) {
      results.append(
        (
          call,
          JSON(object: [
            "type": JSON("tool_result"), "tool_use_id": JSON(call),
            "content": JSON("The tool was called, but no result was given."), "is_error": JSON(true),
          ])
        ))
      ownLoss.approximated("messages.tool_calls", "a call without a result is sent with an error as its result")
    }
    turns[index].results = results
    turns[index].blocks = orphans + turns[index].blocks
  }

  private func text(of result: JSON) -> [JSON] {
    guard let content = result["content"] else { return [] }
    if content.isString { return parts.text(content, nil).map { [$0] } ?? [] }
    return content.elements.filter { $0["type"]?.equals("text") != true || parts.text($0["text"] ?? .null, nil) != nil }
  }

  /// A last assistant turn is the beginning of the answer; the API refuses white space at its end.
  private mutating func trimPrefill() {
    guard let last = turns.last, last.role == .assistant, let block = last.blocks.last,
      block["type"]?.equals("text") == true, var text = block["text"]?.string.map({ Substring($0).unicodeScalars }),
      text.last?.properties.isWhitespace == true
    else { return }
    while text.last?.properties.isWhitespace == true { text.removeLast() }
    let copy = block.shallowCopy()
    copy["text"] = JSON(String(text))
    turns[turns.count - 1].blocks[last.blocks.count - 1] = copy
  }
}
