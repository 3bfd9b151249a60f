// SPDX-License-Identifier: MIT
import JSONText

/// What of a request or an answer was not carried over exactly.
///
/// Entries keep their order, and each stands once. A request may lose as many fields as it has bytes, and every record
/// of the answer's start repeats the ledger. So it keeps the first ``maxEntries``, each clipped, and counts the rest. A
/// clipped text ends with a hash of the whole, so that two long names with the same beginning are two entries, also for
/// the stages after this one, which see the clipped texts alone.
package struct LossLedger: Sendable {
  package struct Entry: Hashable, Sendable {
    /// The field as the client wrote it, without indices: `messages.content.image_url.detail`.
    package var field: String
    /// What became of it: `dropped`, `approximated: …`, `clamped A to B`. The first word is the kind.
    package var fate: String
    /// Whether one of the proxy's tables names the field; if not, the client made up the name.
    package var isKnown: Bool
  }

  /// How many entries are kept, counted with those that a ctx already holds.
  package static let maxEntries = 64
  /// How much of a field or a fate is kept, in bytes; what is longer also gets `…` and the 16 digits of its hash.
  static let maxText = 256

  package private(set) var entries: [Entry] = []
  private var members: Set<Entry> = []
  /// The losses that were only counted.
  package private(set) var more = 0

  package init() {}

  package var isEmpty: Bool { entries.isEmpty }
  package var count: Int { entries.count + more }

  package mutating func add(_ field: String, _ fate: String, isKnown: Bool = true) {
    add(Entry(field: Self.clipped(field), fate: Self.clipped(fate), isKnown: isKnown))
  }

  private mutating func add(_ entry: Entry) {
    // The same thing happening in many messages is one loss.
    guard !members.contains(entry) else { return }
    guard entries.count < Self.maxEntries else {
      more += 1
      return
    }
    members.insert(entry)
    entries.append(entry)
  }

  /// Adds the entries of another ledger.
  package mutating func add(_ other: LossLedger) {
    for entry in other.entries { add(entry) }
    more += other.more
  }

  package mutating func dropped(_ field: String) { add(field, "dropped") }

  package mutating func approximated(_ field: String, _ how: String) { add(field, "approximated: \(how)") }

  private static func clipped(_ text: String) -> String {
    guard text.utf8.count > maxText else { return text }
    var text = text
    let hash = String(text.withUTF8 { UInt64(hashing: $0) }, radix: 16)
    var end = text.utf8.index(text.startIndex, offsetBy: maxText)
    while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
    return text[..<end] + "…" + String(repeating: "0", count: 16 - hash.utf8.count) + hash
  }

  /// The losses for a person, as strictness lists them: `temperature dropped; …; and 3 more`.
  package var list: String {
    var listed = entries.map { "\($0.field) \($0.fate)" }
    if more > 0 { listed.append("and \(more) more") }
    return listed.joined(separator: "; ")
  }
}

extension Bytes {
  /// Appends an object, a ctx or the payload of an `end`, with the ledger's entries in its `loss`, after those that it
  /// already has; its other members stay as the bytes they are.
  ///
  /// What doesn't fit into ``LossLedger/maxEntries`` is counted in `loss_more`.
  package mutating func append(object: ByteSlice?, adding losses: LossLedger) {
    var kept: [ByteSlice] = []
    var more = losses.more
    append("{")
    var isFirst = true
    if let object {
      Scan.members(object) { key, value in
        if key.equals("loss") {
          Scan.elements(value) { entry in
            if kept.count < LossLedger.maxEntries { kept.append(entry) } else { more += 1 }
            return true
          }
        } else if key.equals("loss_more") {
          more += min(max(0, Int(value.text) ?? 0), 1 << 40)
        } else {
          if !isFirst { append(",") }
          isFirst = false
          append("\"")
          append(key)
          append("\":")
          append(value)
        }
        return true
      }
    }
    var room = LossLedger.maxEntries - kept.count
    var added = Bytes()
    for entry in losses.entries {
      let start = added.count
      added.append(entry)
      // An earlier stage may have lost the same thing.
      if kept.contains(where: { $0.equals(added.slice.cut(start, added.count)) }) {
        added.removeLast(added.count - start)
      } else if room == 0 {
        added.removeLast(added.count - start)
        more += 1
      } else {
        added.append(",")
        room -= 1
      }
    }
    if !kept.isEmpty || !added.isEmpty {
      append(isFirst ? #""loss":["# : #","loss":["#)
      isFirst = false
      for entry in kept { append(entry, ",") }
      append(added.slice)
      removeLast(1)
      append("]")
    }
    if more > 0 {
      append(isFirst ? #""loss_more":"# : #","loss_more":"#)
      append(decimal: more)
    }
    append("}")
  }

  private mutating func append(_ entry: LossLedger.Entry) {
    append(#"{"field":"#)
    append(quoted: entry.field)
    append(#","fate":"#)
    append(quoted: entry.fate)
    append(entry.isKnown ? "}" : #","unknown":true}"#)
  }
}
