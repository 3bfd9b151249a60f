// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Something of a request that the CLI can't carry exactly.
package struct Loss: Equatable, Sendable {
  /// The request's field, in the client's terms: `system`, `messages[2].name`.
  package var field: String
  /// What became of it: a verb, and more where that helps.
  package var fate: String

  package init(_ field: String, _ fate: String) {
    self.field = field
    self.fate = fate
  }
}

extension Bytes {
  /// Appends a ctx with more losses in its ledger; what was in it stays as the bytes it is.
  package mutating func append(ctx: ByteSlice, adding losses: [Loss]) {
    guard !losses.isEmpty else { return append(ctx) }
    append(object: ctx, setting: "loss") { bytes in
      let before = Scan.member("loss", of: ctx).flatMap { Self.inside(array: $0) }
      bytes.append("[")
      if let before, before.count > 0 {
        bytes.append(before)
        bytes.append(",")
      }
      bytes.append(losses: losses)
      bytes.append("]")
    }
  }

  /// Appends the entries of a ledger, without its brackets.
  package mutating func append(losses: [Loss]) {
    for (index, loss) in losses.enumerated() {
      if index > 0 { append(",") }
      append(#"{"field":"#)
      append(quoted: loss.field)
      append(#","fate":"#)
      append(quoted: loss.fate)
      append("}")
    }
  }

  private static func inside(array: ByteSlice) -> ByteSlice? {
    guard array.count >= 2, array[0] == UInt8(ascii: "["), array[array.count - 1] == UInt8(ascii: "]") else {
      return nil
    }
    let start = Scan.skipSpace(array, 1)
    var end = array.count - 1
    while end > start, Scan.isSpace(array[end - 1]) { end -= 1 }
    return array.cut(min(start, end), end)
  }
}
