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
  /// `TIME LEVEL PROGRAM: MESSAGE`, and at most so many bytes of the message.
  mutating func append(words start: LineStart, atMost limit: Int) {
    append(text: start.time)
    append(" ")
    if start.isColoured { append(start.level.colour) }
    append(text: start.level.rawValue)
    if start.isColoured { append("\u{1B}[0m") }
    append(" ")
    append(text: start.program)
    append(": ")
    append(logged: start.message, .words(inQuotes: false), atMost: limit)
  }

  /// ` NAME=VALUE`, the value in quotes where it isn't one plain word.
  mutating func append(word name: String, _ value: Log.Value, atMost limit: Int) {
    append(" ")
    append(text: name)
    append("=")
    switch value {
    case .text(let text): append(word: text, atMost: limit)
    case .number(let number): append(decimal: number)
    case .tenths(let number): append(tenths: number)
    case .list(let texts): append(word: texts.joined(separator: ", "), atMost: limit)
    }
  }

  private mutating func append(word text: String, atMost limit: Int) {
    let isPlain = !text.isEmpty && !text.unicodeScalars.contains { $0.isUnseen || " \"\\=".unicodeScalars.contains($0) }
    if isPlain { return append(logged: text, .words(inQuotes: false), atMost: limit) }
    append("\"")
    append(logged: text, .words(inQuotes: true), atMost: limit)
    append("\"")
  }
}
