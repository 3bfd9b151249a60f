// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// A conversation in the CLI's own form: one line a turn, each naming the one before.
package struct Transcript: ~Copyable {
  private var bytes = Bytes()
  /// The id of the last line, which the CLI is told to go on from.
  package private(set) var last = ""

  /// - Parameters:
  ///   - makeID: gives a new UUID at each call.
  package init(_ conversation: Conversation, model: ModelName, makeID: () -> String) {
    for turn in conversation.turns {
      let id = makeID()
      bytes.append(turn.isUser ? #"{"type":"user","uuid":""# : #"{"type":"assistant","uuid":""#)
      bytes.append(text: id)
      bytes.append(#"","parentUuid":"#)
      if last.isEmpty { bytes.append("null") } else { bytes.append(quoted: last) }
      // Before 2.1.330 the CLI finds no conversation in lines without a time; which one doesn't matter.
      bytes.append(#","timestamp":"2026-01-01T00:00:00.000Z","#)
      bytes.append(message: turn, model: model, id: id)
      bytes.append("}\n")
      last = id
    }
  }

  /// Hands over the lines.
  package mutating func take() -> Bytes { bytes.take() }
}

extension Bytes {
  /// Appends the member `message` of a line or a frame that holds a turn.
  ///
  /// - Parameter id: the line's own.
  mutating func append(message turn: Conversation.Turn, model: ModelName, id: String) {
    if turn.isUser {
      append(#""message":{"role":"user","content":"#)
    } else {
      // Without the request's own model on it, the CLI leaves thinking out.
      append(#""message":{"role":"assistant","type":"message","model":"#)
      append(quoted: model.text)
      append(#","id":"msg_"#)
      append(text: id.filter { $0 != "-" })
      append(#"","content":"#)
    }
    if turn.isUser || !turn.content.isString {
      append(turn.content)
    } else {
      // Made here: of a long conversation as many blocks would be in memory as it has turns.
      append(#"[{"type":"text","text":"#)
      append(turn.content)
      append("}]")
    }
    append("}")
  }
}
