// SPDX-License-Identifier: MIT
import Jansson
import Records

// What the API refuses is repaired when all turns are there.
extension Conversation {
  /// The turns as the API wants them.
  mutating func finish() -> JSON {
    matchResults()
    if turns.isEmpty || turns[0].role != .user {
      ownLoss.approximated(names.turns, "a user turn was added, since the conversation must begin with one")
      turns.insert(Self.standIn("Please continue."), at: 0)
    }
    endWell()
    let made = JSON.array
    for index in turns.indices {
      let turn = turns[index]
      // With a million of blocks it matters that they aren't held twice.
      turns[index] = Turn(role: turn.role)
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

  private static func standIn(_ text: StaticString) -> Turn {
    Turn(role: .user, blocks: [JSON(object: ["type": JSON("text"), "text": JSON("\(text)")])])
  }

  /// Holds each call to one result in the turn after it, and each result to a call in the turn before it.
  private mutating func matchResults() {
    // Without either, no turn is without content, and roles take turns already.
    if called.isEmpty, !hasResults { return }
    var made: [Turn] = []
    made.reserveCapacity(turns.count + 1)
    var calls: [String] = []
    for var turn in turns {
      if turn.role == .user {
        match(&turn, with: calls)
      } else if !calls.isEmpty {
        made.append(resultsAlone(of: calls))
      }
      calls = turn.role == .assistant ? turn.blocks.filter(Self.isCall).compactMap { $0["id"]?.string } : []
      made.append(turn)
    }
    if !calls.isEmpty { made.append(resultsAlone(of: calls)) }
    turns = made
    mergeTurns()
  }

  /// Leaves out turns that hold nothing. The turns that they stood between become one.
  mutating func mergeTurns() {
    var merged: [Turn] = []
    for var turn in turns where !turn.isEmpty {
      if turn.role == .system, merged.last?.role != .user {
        turn.role = .user
        ownLoss.approximated(names.role, "system text after a turn without content is sent as the user's")
      }
      if merged.last?.role == turn.role {
        merged[merged.count - 1].blocks += turn.blocks
        merged[merged.count - 1].results += turn.results
      } else {
        merged.append(turn)
      }
    }
    turns = merged
  }

  private mutating func resultsAlone(of calls: [String]) -> Turn {
    var turn = Turn(role: .user)
    match(&turn, with: calls)
    return turn
  }

  private mutating func match(_ turn: inout Turn, with calls: [String]) {
    if calls.isEmpty, turn.results.isEmpty { return }
    let wanted = Set(calls)
    var answered: Set<String> = []
    var results: [(id: String, block: JSON)] = []
    var orphans: [JSON] = []
    for result in turn.results {
      if wanted.contains(result.id) {
        answered.insert(result.id)
        results.append(result)
      } else {
        orphans.append(contentsOf: text(of: result.block))
        ownLoss.approximated(names.resultID, "a result without its call is sent as text")
      }
    }
    for call in calls where !answered.contains(call) {
      results.append((call, Self.missingResult(of: call)))
      ownLoss.approximated(names.call, "a call without a result is sent with an error as its result")
    }
    turn.results = results
    turn.blocks = orphans + turn.blocks
  }

  private static func missingResult(of call: String) -> JSON {
    JSON(object: [
      "type": JSON("tool_result"), "tool_use_id": JSON(call),
      "content": JSON("The tool was called, but no result was given."), "is_error": JSON(true),
    ])
  }

  private func text(of result: JSON) -> [JSON] {
    guard let content = result["content"] else { return [] }
    if content.isString { return parts.text(content, nil).map { [$0] } ?? [] }
    return content.elements.filter { $0["type"]?.equals("text") != true || parts.text($0["text"] ?? .null, nil) != nil }
  }

  /// Sees to it that the answer goes on with an assistant's turn only where the client asked for that.
  ///
  /// The last message may have had nothing to send: no visible text, a result without its call, system text that was
  /// hoisted. What is left would be taken for the beginning of the answer.
  private mutating func endWell() {
    guard let last = turns.last, last.role == .assistant, let block = last.blocks.last else { return }
    guard endsInPrefill else {
      ownLoss.approximated(names.turns, "a user turn was added at the end, since the last message had nothing to send")
      return turns.append(Self.standIn("Please continue."))
    }
    // A turn that ends in a tool of the server was paused, and every model goes on with it.
    guard Self.isThinking(block) || block["type"]?.equals("text") == true else { return }
    guard takesPrefill else {
      ownLoss.approximated(
        names.turns, "a user turn was added at the end, since the model refuses an assistant's there")
      return turns.append(Self.standIn("Continue."))
    }
    isPrefilled = true
    trimPrefill(block)
  }

  /// A last assistant turn is the beginning of the answer; the API refuses white space at its end.
  private mutating func trimPrefill(_ block: JSON) {
    guard var text = block["text"]?.string.map({ Substring($0).unicodeScalars }),
      text.last?.properties.isWhitespace == true
    else { return }
    while text.last?.properties.isWhitespace == true { text.removeLast() }
    let copy = block.shallowCopy()
    copy["text"] = JSON(String(text))
    let last = turns.count - 1
    turns[last].blocks[turns[last].blocks.count - 1] = copy
  }
}
