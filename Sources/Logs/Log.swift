// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records

/// The operator's log: one JSON object a line on stderr, or one line of words.
///
/// `{"ts":"2026-11-22T10:00:00.000Z","level":"info","program":"oai2anth","msg":"…", …}`. Never a prompt, an answer
/// or a secret.
package struct Log: Sendable {
  /// What a line looks like.
  package enum Format: Equatable, Sendable {
    /// For programs: an object.
    case json
    /// For a person, `TIME LEVEL PROGRAM: MESSAGE NAME=VALUE...`.
    case text(isColoured: Bool)

    package static func ofEnvironment() -> Format {
      asked { name in getenv(name).map { String(cString: $0) } ?? "" }
    }

    /// What `LOG_FORMAT` asks for: text, or anything else; with colours on a terminal, unless `NO_COLOR` is set.
    ///
    /// - Parameter variable: the value of a variable, empty for one that isn't set.
    package static func asked(by variable: (String) -> String) -> Format {
      guard variable("LOG_FORMAT") == "text" else { return .json }
      return .text(
        isColoured: isatty(STDERR_FILENO) == 1 && variable("NO_COLOR").isEmpty && variable("TERM") != "dumb")
    }
  }

  package let program: String
  /// What is below it is not written.
  package var level: Output.Note.Level
  private let format: Format

  package init(program: String, level: Output.Note.Level = .info, format: Format = .ofEnvironment()) {
    self.program = program
    self.level = level
    self.format = format
  }

  private static let order: [Output.Note.Level] = [.debug, .info, .warning, .error]

  /// The value of a line's field.
  package enum Value: Sendable {
    case text(String)
    case number(Int)
    /// A real number, written with one decimal: milliseconds.
    case tenths(Double)
    case list([String])
  }

  package func write(_ level: Output.Note.Level, _ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    write(level, message, fields: fields.map { ($0.key, .text($0.value)) })
  }

  package func isWritten(_ level: Output.Note.Level) -> Bool {
    Self.order.firstIndex(of: level)! >= Self.order.firstIndex(of: self.level)!
  }

  package func write(_ level: Output.Note.Level, _ message: String, fields: [(name: String, value: Value)]) {
    guard isWritten(level) else { return }
    write(lines: line(level, message, fields, at: Self.timestamp()))
  }

  /// Writes one line, or several that are no longer than ``maxLine`` together, at once: so that the lines of many
  /// programs on one stderr stay whole.
  ///
  /// It never waits: a log that can't be written is no reason to stop serving.
  package func write(lines: borrowing Bytes) {
    LogWriter.shared.write(lines.slice) { dropped in
      line(
        .warning, "the log was not read in time: lines were dropped", [("dropped", .number(dropped))],
        at: Self.timestamp())
    }
  }

  /// How many lines this process has dropped because nobody read them.
  package static var dropped: Int { LogWriter.shared.dropped }

  /// The longest line, in bytes: a pipe takes as much at once or not at all (`PIPE_BUF`), so that the lines of several
  /// processes never mix.
  package static let maxLine = 4_096
  /// How much of a message is written, in bytes.
  private static let maxMessage = 2_048
  /// How much of a field's value is written, in bytes.
  private static let maxValue = 1_024
  /// How much of one entry of a list is written, in bytes.
  private static let maxEntry = 256

  /// The line as it is written, with its line feed; what is too long in it is cut, and ends with `…`.
  package func line(
    _ level: Output.Note.Level, _ message: String, _ fields: [(name: String, value: Value)], at time: String
  ) -> Bytes {
    var line = Bytes()
    // A line of the usual length is made in one piece of memory.
    line.reserve(512)
    appendStart(level, message, at: time, to: &line)
    let end: StaticString = format == .json ? "}\n" : "\n"
    // What follows the value of a field at most: that further fields were left out, and the end.
    let cut: StaticString = format == .json ? #","cut":true"# : " cut=true"
    let reserved = cut.utf8CodeUnitCount + end.utf8CodeUnitCount
    for (name, value) in fields {
      // The name, its signs, and something of the value.
      let room = Self.maxLine - line.count - reserved - name.utf8.count - 6
      guard room >= 24 else {
        line.append(cut)
        break
      }
      append(name, value, atMost: min(room, Self.maxValue), to: &line)
    }
    line.append(end)
    return line
  }

  private func appendStart(_ level: Output.Note.Level, _ message: String, at time: String, to line: inout Bytes) {
    if case .text(let isColoured) = format {
      return line.append(
        words: .init(time: time, level: level, program: program, message: message, isColoured: isColoured),
        atMost: Self.maxMessage)
    }
    line.append(#"{"ts":""#)
    line.append(text: time)
    line.append(#"","level":""#)
    line.append(text: level.rawValue)
    line.append(#"","program":"#)
    line.append(quoted: program)
    line.append(#","msg":""#)
    line.append(logged: message, .json, atMost: Self.maxMessage)
    line.append("\"")
  }

  private func append(_ name: String, _ value: Value, atMost room: Int, to line: inout Bytes) {
    guard format == .json else { return line.append(word: name, value, atMost: room) }
    line.append(",")
    line.append(quoted: name)
    line.append(":")
    switch value {
    case .text(let text):
      line.append("\"")
      line.append(logged: text, .json, atMost: room)
      line.append("\"")
    case .number(let number): line.append(decimal: number)
    case .tenths(let number): line.append(tenths: number)
    case .list(let texts):
      line.append("[")
      let end = line.count + room
      for (index, text) in texts.enumerated() {
        if index > 0 { line.append(",") }
        let before = line.count
        line.append("\"")
        line.append(logged: text, .json, atMost: Self.maxEntry)
        line.append("\"")
        // Room for the number of those that are left out.
        guard line.count + 24 > end, index < texts.count - 1 || line.count > end else { continue }
        line.removeLast(line.count - before)
        line.append(#""and "#)
        line.append(decimal: texts.count - index)
        line.append(#" more""#)
        break
      }
      line.append("]")
    }
  }

  package func write(_ note: Output.Note) {
    if let rid = note.rid {
      write(note.level, note.message, ["id": rid])
    } else {
      write(note.level, note.message)
    }
  }

  /// The time in RFC 3339, UTC, with milliseconds.
  package static func timestamp() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return timestamp(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
  }

  package static func timestamp(seconds: Int, milliseconds: Int) -> String {
    var seconds = time_t(seconds)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = Bytes(capacity: 24)
    text.append(digits: Int(parts.tm_year) + 1900, 4)
    text.append("-")
    text.append(digits: Int(parts.tm_mon) + 1, 2)
    text.append("-")
    text.append(digits: Int(parts.tm_mday), 2)
    text.append("T")
    text.append(digits: Int(parts.tm_hour), 2)
    text.append(":")
    text.append(digits: Int(parts.tm_min), 2)
    text.append(":")
    text.append(digits: Int(parts.tm_sec), 2)
    text.append(".")
    text.append(digits: milliseconds, 3)
    text.append("Z")
    return text.text
  }
}

extension Bytes {
  /// Zeros before it, up to that width.
  fileprivate mutating func append(digits number: Int, _ width: Int) {
    var power = 10
    for _ in 1..<width {
      if number < power { append("0") }
      power *= 10
    }
    append(decimal: number)
  }

  mutating func append(tenths number: Double) {
    let tenths = Int((number * 10).rounded())
    append(decimal: tenths / 10)
    append(".")
    append(decimal: abs(tenths % 10))
  }
}
