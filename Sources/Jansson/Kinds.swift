// SPDX-License-Identifier: MIT
import CJansson
import JSONText

extension JSON {
  /// The number, where it is whole and fits: clients whose language has one kind of number write 1 as `1.0`.
  package var wholeNumber: Int? { integer ?? number.flatMap { Int(exactly: $0) } }

  /// What it is, with its article, for error messages.
  package var described: String {
    switch kind {
    case .object: "an object"
    case .array: "an array"
    case .string: "a string"
    case .integer: integer == nil ? "an integer beyond 64 bits" : "an integer"
    case .real: "a number"
    case .bool: "a boolean"
    case .null: "null"
    }
  }

  /// Hands over the bytes of a string as they are stored, without decoding: where `\` is among them, they may be
  /// escaped. Nil for other kinds.
  package func withStoredText<R>(_ body: (ByteSlice) -> R) -> R? {
    guard isString, let text = stringBytes(raw) else { return nil }
    // The node must live on while its bytes are read.
    return withExtendedLifetime(self) { body(LentString.read(text) ?? text) }
  }
}

extension JSON {
  /// Whether it is the very same node: an answer without looking at what is in it.
  package func isIdentical(to other: JSON) -> Bool { raw == other.raw }
}
