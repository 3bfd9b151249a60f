// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Testing

/// Our lexer and dumper against Jansson's own, whose tree they share.
///
/// They differ where it is meant: an integer beyond 64 bits is no error; a real is written as the shortest
/// text that reads back the same; a control character's number is written in lower-case digits.
@Suite("ours against Jansson's own")
struct DifferentialTests {
  static func ours(_ text: [UInt8]) -> JSON? { text.withUnsafeBufferPointer { try? JSON.parse($0) } }
  static func theirs(_ text: [UInt8]) -> JSON? { text.withUnsafeBufferPointer { try? JSON.parseReference($0) } }

  /// Whether Jansson refuses the text for an integer beyond 64 bits.
  static func isTooBig(_ text: [UInt8]) -> Bool {
    do { _ = try text.withUnsafeBufferPointer { try JSON.parseReference($0) } } catch {
      return (error as? JSONError)?.reason.hasPrefix("too big") == true
    }
    return false
  }

  static func hasReal(_ value: JSON) -> Bool {
    value.kind == .real || value.elements.contains(where: hasReal)
      || value.members.contains { hasReal($0.value) }
  }

  /// The text with the digits of `\u001F` in lower case.
  static func lowered(_ text: String) -> String {
    var made: [UInt8] = []
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count {
        let length = bytes[at + 1] == UInt8(ascii: "u") ? 6 : 2
        for byte in bytes[at..<at + length] {
          made.append(length == 6 && byte >= 0x41 && byte <= 0x46 ? byte | 0x20 : byte)
        }
        at += length
      } else {
        made.append(bytes[at])
        at += 1
      }
    }
    return String(decoding: made, as: UTF8.self)
  }

  /// Why the two differ on a text, but for what is meant; nil where they agree.
  static func difference(on text: [UInt8]) -> String? {
    let shown = String(decoding: text, as: UTF8.self)
    guard let ours = ours(text) else { return theirs(text) == nil ? nil : "only Jansson reads \(shown)" }
    guard let theirs = theirs(text) else { return isTooBig(text) ? nil : "only we read \(shown)" }
    guard ours == theirs else { return "the trees differ: \(shown)" }
    let written = ours.text
    guard let again = Self.theirs(Array(written.utf8)), again == theirs else {
      return "\(written) reads back as another"
    }
    if !hasReal(ours), written != lowered(theirs.referenceText) {
      return "\(written) is written, and by Jansson \(theirs.referenceText)"
    }
    return nil
  }

  @Test(
    "a table of values",
    arguments: [
      "{}", "[]", "\"\"", "0", "-0", "-0.0", "1", "-1", "9223372036854775807", "-9223372036854775808", "1.0", "0.7",
      "1e3", "1e-400", "2.2250738585072014e-308", "true", "false", "null", #"{"a":1,"a":2}"#, #"{"":[]}"#,
      #"["\u0000","\ud83d\ude00","\/","\u001F"]"#, " [ 1 , 2 ] ", "[[[[]]]]", "\"\u{7F}\"", #"{"b":1,"a":2}"#,
      "", " ", "{", "[1,]", "01", "1.", "1e", "nul", "\"\\x\"", #""\ud800""#, #"{"\u0000":1}"#, "1e400", "1 2", "{,}",
    ])
  func table(_ text: String) {
    #expect(Self.difference(on: Array(text.utf8)) == nil)
  }

  /// Of each batch: a sixth of `FUZZ_CASES`, or as many as take a moment.
  static let cases = getenv("FUZZ_CASES").flatMap { Int(String(cString: $0)) }.map { $0 / 6 } ?? 1000

  @Test("thousands of generated documents", arguments: 0..<6)
  func generated(_ batch: Int) {
    var documents = Documents(seed: UInt64(batch))
    for _ in 0..<Self.cases {
      let text = documents.space() + documents.value() + documents.space()
      #expect(Self.ours(Array(text.utf8)) != nil, "\(text)")
      #expect(Self.difference(on: Array(text.utf8)) == nil)
    }
  }

  @Test("thousands of damaged documents", arguments: 0..<6)
  func damaged(_ batch: Int) {
    var documents = Documents(seed: UInt64(100 + batch))
    for _ in 0..<Self.cases {
      let text = documents.value()
      #expect(Self.difference(on: documents.damaged(text)) == nil)
    }
  }

  @Test("depth", arguments: [2047, 2048, 2049])
  func depth(_ depth: Int) {
    let text = Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    #expect((Self.ours(text) != nil) == (depth <= 2048))
    #expect((Self.theirs(text) != nil) == (depth <= 2048))
  }

  @Test(
    "integers beyond 64 bits keep their digits",
    arguments: [
      ("9223372036854775808", 9.223372036854775808e18), ("-9223372036854775809", -9.223372036854775809e18),
      ("123456789012345678901234567890", 1.2345678901234568e29),
    ])
  func bigIntegers(_ text: String, _ number: Double) {
    #expect(Self.theirs(Array(text.utf8)) == nil)
    #expect(Self.ours(Array(text.utf8))?.number == number)
    #expect(Self.ours(Array(text.utf8))?.integer == nil)
    #expect(Self.ours(Array(text.utf8))?.kind == .integer)
    #expect(Self.ours(Array(text.utf8))?.isString == false)
    #expect(Self.ours(Array(text.utf8))?.string == nil)
    #expect(Self.ours(Array(text.utf8))?.text == text)
    #expect(Self.difference(on: Array(#"{"twice":\#(text),"twice":1}"#.utf8)) == nil)
  }

  @Test(
    "reals are as short as they can be",
    arguments: [
      ("0.7", "0.7"), ("0.1", "0.1"), ("1.50", "1.5"), ("1e3", "1000.0"), ("1e22", "1e+22"), ("-0.0", "-0.0"),
      ("5e-324", "5e-324"), ("0.30000000000000004", "0.30000000000000004"),
    ])
  func shortReals(_ text: String, _ written: String) {
    #expect(Self.ours(Array(text.utf8))?.text == written)
  }

  @Test("an error says where", arguments: [("[1,]", 3), (#"{"a" 1}"#, 5), ("[1 2]", 3), ("nul", 0), ("[1", 2)])
  func offset(_ text: String, _ offset: Int) {
    #expect(throws: JSONError.self) { try JSON.parse(text) }
    do { _ = try JSON.parse(text) } catch { #expect(error.offset == offset) }
  }

  @Test("bytes that are no UTF-8 are found where they are")
  func encoding() {
    for (text, offset) in [([0x22, 0x61, 0xFF, 0x22], 2), ([0x22, 0xC3], 2), ([0x80], 0)] as [([UInt8], Int)] {
      do {
        _ = try text.withUnsafeBufferPointer { try JSON.parse($0) }
        Issue.record("\(text) was read")
      } catch {
        #expect((error as? JSONError)?.offset == offset)
      }
    }
  }
}
