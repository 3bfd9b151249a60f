// SPDX-License-Identifier: MIT
import JSONText
import Records
import Testing

@Suite("line splitter")
struct SplitterTests {
  /// What a splitter makes of pieces: its lines, `!` before the head of those that are too long, `…` before the rest.
  static func lines(_ pieces: [String], maxLine: Int = 100) -> [String] {
    var splitter = LineSplitter(maxLine: maxLine)
    var lines: [String] = []
    for piece in pieces {
      Array(piece.utf8).withUnsafeBufferPointer { splitter.append($0) }
      while let piece = splitter.next() {
        switch piece {
        case .line(let bytes): lines.append(bytes.text)
        case .tooLong(let head): lines.append("!" + head.text)
        }
      }
    }
    if !splitter.rest.isEmpty { lines.append("…" + splitter.rest.text) }
    return lines
  }

  @Test("lines come whole, however their bytes arrive")
  func pieces() {
    let text = "one\n\ntwo\r\nthree\nrest"
    let lines = ["one", "", "two\r", "three", "…rest"]
    #expect(Self.lines([text]) == lines)
    #expect(Self.lines(text.unicodeScalars.map { String($0) }) == lines)
    #expect(Self.lines(["on", "e\n\ntw", "o\r", "\nthree\nre", "st"]) == lines)
  }

  @Test("a large buffer is kept for the next large line, until it is to be given back")
  func kept() {
    var splitter = LineSplitter(keeping: Limits.keptBuffer)
    func append(_ text: String) { Array(text.utf8).withUnsafeBufferPointer { splitter.append($0) } }
    func next() -> String? {
      if case .line(let bytes) = splitter.next() { bytes.text } else { nil }
    }
    // The macro would copy a splitter.
    func keepsMuch() -> Bool { splitter.keepsMuch }
    let large = String(repeating: "x", count: 2 * Limits.ownBuffer)
    append(large)
    // Not from under a line that is on its way.
    splitter.giveBack()
    #expect(!keepsMuch())
    append("\nshort")
    #expect(next() == large && next() == nil && !keepsMuch())
    append("er\n")
    #expect(next() == "shorter" && next() == nil && keepsMuch())
    splitter.giveBack()
    #expect(!keepsMuch())
    append("next\n")
    #expect(next() == "next" && !keepsMuch())
    var usual = LineSplitter()
    Array((large + "\nx\n").utf8).withUnsafeBufferPointer { usual.append($0) }
    while usual.next() != nil {}
    Array("y".utf8).withUnsafeBufferPointer { usual.append($0) }
    while usual.next() != nil {}
    usual.giveBack()
    let keeps = usual.keepsMuch
    #expect(!keeps)
  }

  @Test("a line of just the limit passes")
  func limit() {
    #expect(Self.lines(["12345\n1234\n"], maxLine: 5) == ["12345", "1234"])
    #expect(Self.lines(["12345", "\n"], maxLine: 5) == ["12345"])
  }

  @Test("a longer one is told once, and the next line is whole")
  func tooLong() {
    #expect(Self.lines(["123456\nnext\n"], maxLine: 5) == ["!123456", "next"])
    #expect(Self.lines(["123", "456", "789", "0\nne", "xt\n"], maxLine: 5) == ["!123456", "next"])
    #expect(Self.lines(["123456", "7"], maxLine: 5) == ["!123456"])
  }
}
