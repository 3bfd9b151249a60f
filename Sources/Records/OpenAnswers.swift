// SPDX-License-Identifier: MIT
import JSONText

/// What a stage behind the backend keeps of each answer, from its first record to its `end`.
package struct OpenAnswers<State: AnyObject> {
  private var states: [String: State] = [:]
  /// Records of one answer often come in a row: the last one asked for, to be found without hashing.
  private var lastRid = ""
  private var last: State?

  package init() {}

  package var count: Int { states.count }

  package mutating func find(_ rid: ByteSlice) -> State? {
    if let last, matches(rid) { return last }
    let name = rid.text
    guard let found = states[name] else { return nil }
    (lastRid, last) = (name, found)
    return found
  }

  private mutating func matches(_ rid: ByteSlice) -> Bool {
    guard lastRid.utf8.count == rid.count else { return false }
    return lastRid.withUTF8 { $0.equals(rid) }
  }

  /// Keeps the state of a new answer.
  ///
  /// - Throws: 529 when there are more answers open than one stage holds.
  package mutating func open(_ rid: ByteSlice, _ state: State) throws(APIError) {
    guard states.count < Limits.maxOpen else { throw APIError(status: 529, "too many answers are open") }
    let name = rid.text
    states[name] = state
    (lastRid, last) = (name, state)
  }

  package mutating func close(_ rid: String) {
    states[rid] = nil
    if lastRid == rid { last = nil }
  }

  /// All that is still open, in the order of their names, and nothing after.
  package mutating func drain() -> [(rid: String, state: State)] {
    defer { (states, last) = ([:], nil) }
    return states.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
