// SPDX-License-Identifier: MIT
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

  /// Whether it is the very same value: a string as it is stored, or the same container.
  package func isIdentical(to other: JSON) -> Bool { value.word == other.value.word && value.meta == other.value.meta }

  /// Hands over the bytes of a string as they are stored, without decoding: where `\` is among them, they may be
  /// escaped. Nil for other kinds.
  package func withStoredText<R>(_ body: (ByteSlice) -> R) -> R? {
    guard isString else { return nil }
    // The block must live on while its bytes are read.
    return withExtendedLifetime(self) { value.withText(body) }
  }
}
