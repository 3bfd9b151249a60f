// SPDX-License-Identifier: MIT
import JSONText
import Records

/// What stands at the beginning of a line for a person.
struct LineStart {
  var time: String
  var level: Output.Note.Level
  var program: String
  var message: String
  var isColoured: Bool
}

extension Output.Note.Level {
  /// The terminal's colour for it (ECMA-48, SGR).
  fileprivate var colour: StaticString {
    switch self {
    case .debug: "\u{1B}[2m"
    case .info: "\u{1B}[32m"
    case .warning: "\u{1B}[33m"
    case .error: "\u{1B}[31m"
    }
  }
}

extension Bytes {
  /// `TIME LEVEL PROGRAM: MESSAGE NAME=VALUE...`, a value in quotes where it isn't one plain word.
  mutating func append(words start: LineStart, _ fields: [(name: String, value: Log.Value)]) {
    append(text: start.time)
    append(" ")
    if start.isColoured { append(start.level.colour) }
    append(text: start.level.rawValue)
    if start.isColoured { append("\u{1B}[0m") }
    append(" ")
    append(text: start.program)
    append(": ")
    append(shown: start.message, inQuotes: false)
    for (name, value) in fields {
      append(" ")
      append(shown: name, inQuotes: false)
      append("=")
      switch value {
      case .text(let text): append(word: text)
      case .number(let number): append(decimal: number)
      case .tenths(let number): append(tenths: number)
      case .list(let texts): append(word: texts.joined(separator: ", "))
      }
    }
    append("\n")
  }

  private mutating func append(word text: String) {
    let isPlain = !text.isEmpty && !text.unicodeScalars.contains { $0.isUnseen || " \"\\=".unicodeScalars.contains($0) }
    if isPlain { return append(text: text) }
    append("\"")
    append(shown: text, inQuotes: true)
    append("\"")
  }

  /// What others sent must neither end the line nor reach the terminal as an order.
  private mutating func append(shown text: String, inQuotes: Bool) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case "\"" where inQuotes: append("\\\"")
      case "\\" where inQuotes: append("\\\\")
      case _ where scalar.isUnseen: append(text: "\\u{" + String(scalar.value, radix: 16) + "}")
      default: append(text: String(scalar))
      }
    }
  }
}

extension Unicode.Scalar {
  /// Control characters, and those that change the order or the look of what stands beside them.
  fileprivate var isUnseen: Bool {
    if isASCII { return value < 0x20 || value == 0x7F }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: return true
    default: return false
    }
  }
}
