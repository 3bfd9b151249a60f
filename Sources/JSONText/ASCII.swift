// SPDX-License-Identifier: MIT

extension UInt8 {
  /// Whether it is a letter or a digit of ASCII, which names of all kinds are made of.
  package var isLetterOrDigit: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  /// Whether it is a letter, a digit, or one of these characters of ASCII.
  package func isLetterOrDigit(or others: StaticString) -> Bool {
    isLetterOrDigit || others.withUTF8Buffer { $0.contains(self) }
  }
}
