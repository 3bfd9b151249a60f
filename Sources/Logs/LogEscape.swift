// SPDX-License-Identifier: MIT
import JSONText

/// How text is written into a line of the log, so that it stays in its line and in its place.
enum LogEscape {
  /// As the inside of a JSON string.
  case json
  /// As words for a person; in quotes these are escaped too.
  case words(inQuotes: Bool)
}

extension Bytes {
  /// Appends text escaped, and at most so many bytes of it; `…` stands for the rest.
  mutating func append(logged text: String, _ escape: LogEscape, atMost limit: Int) {
    var text = text
    let isPlain = text.withUTF8 { bytes in
      bytes.count <= limit && bytes.isPlain
    }
    if isPlain { return append(text: text) }
    let start = count
    // Up to here it fits together with the sign that it was cut.
    var fits = start
    for scalar in text.unicodeScalars {
      append(scalar, escape)
      guard count - start <= limit else {
        removeLast(count - fits)
        if limit >= 3 { append("…") }
        return
      }
      if count - start <= limit - 3 { fits = count }
    }
  }

  private mutating func append(_ scalar: Unicode.Scalar, _ escape: LogEscape) {
    switch (scalar, escape) {
    case ("\n", _): append("\\n")
    case ("\r", _): append("\\r")
    case ("\t", _): append("\\t")
    case ("\"", .json), ("\"", .words(inQuotes: true)): append("\\\"")
    case ("\\", .json), ("\\", .words(inQuotes: true)): append("\\\\")
    case (_, .json) where scalar.isUnseen:
      for unit in UTF16.encode(scalar)! {
        append("\\u")
        for shift in [12, 8, 4, 0] { append(text: String(unit >> UInt16(shift) & 15, radix: 16)) }
      }
    case (_, .words) where scalar.isUnseen: append(text: "\\u{" + String(scalar.value, radix: 16) + "}")
    default: append(scalar: scalar.value)
    }
  }
}

extension ByteSlice {
  /// Whether it is ASCII that needs no escape.
  fileprivate var isPlain: Bool {
    guard count > 0, Scan.plainRun(self, 0) == count else { return count == 0 }
    // The top bit of a sum says that a byte is 0x7F or above it; UTF-8 has no byte 0xFF.
    var sums: UInt8 = 0
    for byte in self { sums |= byte &+ 1 }
    return sums < 0x80
  }
}

extension Unicode.Scalar {
  /// Control characters, and those that change the order or the look of what stands beside them.
  var isUnseen: Bool {
    if isASCII { return value < 0x20 || value == 0x7F }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: return true
    default: return false
    }
  }
}
