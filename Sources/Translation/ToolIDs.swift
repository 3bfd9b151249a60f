// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// What Anthropic says of a call besides its name and input: the toolset it belongs to, and who calls.
enum ToolCallMembers {
  static let own = ["caller", "toolset_name"]
}

/// Tool ids that the Messages API accepts: `^[a-zA-Z0-9_-]+$`.
enum ToolIDs {
  private static let mark = "esc_"

  /// The same id always gives the same result, and two ids never give one: ids that are fine stay, others are
  /// written as `esc_` and their bytes with `_HH` for each that isn't a letter, a digit or a hyphen.
  static func accepted(_ id: String) -> String {
    let isFine = !id.isEmpty && !id.hasPrefix(mark) && id.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "_") }
    if isFine { return id }
    var made = mark
    for byte in id.utf8 {
      if isPlain(byte) {
        made.unicodeScalars.append(UnicodeScalar(byte))
      } else {
        made += "_" + String(byte >> 4, radix: 16, uppercase: true) + String(byte & 15, radix: 16, uppercase: true)
      }
    }
    return made
  }

  private static func isPlain(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-") }
}

/// The calls of one conversation: each gets an id that no other call has.
///
/// The Messages API refuses an id that comes twice; some clients count their calls anew in every turn.
struct ToolCalls {
  private var given: Set<String> = []
  /// The number at which the search for another id begins, by the id that was asked for again.
  private var nextNumber: [String: Int] = [:]
  /// The turn of the last calls, and what was sent for each id as the client wrote it.
  private var turn = -1
  private var calls: [String: (given: [String], answered: Int)] = [:]
  private var firsts: [String: JSON] = [:]

  /// The id to send for a call; the second of two that asked for one id gets another.
  mutating func add(_ asked: String, _ accepted: String, turn: Int) -> String {
    if turn != self.turn { (self.turn, calls, firsts) = (turn, [:], [:]) }
    var id = accepted
    if !given.insert(id).inserted {
      var number = nextNumber[accepted] ?? 2
      repeat {
        id = "\(accepted)_\(number)"
        number += 1
      } while !given.insert(id).inserted
      nextNumber[accepted] = number
    }
    calls[asked, default: ([], 0)].given.append(id)
    return id
  }

  /// Keeps a call for ``first(for:turn:)``, unless there is an earlier one with that id in its turn.
  mutating func note(_ block: JSON, for asked: String) {
    if firsts[asked] == nil { firsts[asked] = block }
  }

  /// The first call of that turn that was noted for an id.
  func first(for asked: String, turn: Int) -> JSON? { turn == self.turn ? firsts[asked] : nil }

  /// The call of that turn that a result is for: the first without one, or the last; nil where none asked for that id.
  mutating func answer(_ asked: String, turn: Int) -> String? {
    guard turn == self.turn, let index = calls.index(forKey: asked) else { return nil }
    let number = calls.values[index].answered
    guard number < calls.values[index].given.count else { return calls.values[index].given.last }
    calls.values[index].answered += 1
    return calls.values[index].given[number]
  }
}
