// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Testing

/// Strings that are looked up in the text they came in: the same to all who read them.
@Suite("lent strings")
struct LentStringTests {
  /// Why a text read with lent strings differs from the same text read without; nil where it doesn't.
  static func difference(on text: [UInt8]) -> String? {
    text.withUnsafeBufferPointer { text in
      let shown = text.text
      guard let plain = try? JSON.parse(text) else {
        return (try? JSON.parse(text, lends: true)) == nil ? nil : "only lending reads \(shown)"
      }
      guard let lent = try? JSON.parse(text, lends: true) else { return "lending doesn't read \(shown)" }
      guard let again = try? JSON.parse(lent.text), again == plain else { return "\(lent.text) reads back as another" }
      let copy = Array(text)
      let isEqual = copy.withUnsafeBufferPointer { (try? JSON.parse($0, lends: true)) == lent }
      guard isEqual, lent == plain, plain == lent else { return "\(shown) isn't equal to itself where it is lent" }
      return difference(plain, lent)
    }
  }

  private static func difference(_ plain: JSON, _ lent: JSON) -> String? {
    if plain.string != lent.string { return "\(plain.text) is read as \(lent.string ?? "nothing")" }
    if plain.hasVisibleText != lent.hasVisibleText { return "\(plain.text) is visible in one of two" }
    if plain.hasPrefix("https://") != lent.hasPrefix("https://") { return "\(plain.text) has a prefix in one of two" }
    for (one, other) in zip(plain.elements, lent.elements) {
      if let difference = difference(one, other) { return difference }
    }
    for (one, other) in zip(plain.members, lent.members) {
      if let difference = difference(one.value, other.value) { return difference }
    }
    return nil
  }

  @Test(
    "a table of long strings",
    arguments: [
      #""a string of more than thirty-two bytes, plain""#,
      #""with \"escapes\", \\ and \/, \u00e9 and \ud83d\ude00 in it: \u0000""#,
      #""https:\/\/example.com/with/escaped/slashes/at/its/start""#, #""https://example.com/with/plain/slashes/only""#,
      "\"\\n\\t\\r                                   \\f\"", #""\u00a0\u2003                              \u3000""#,
      #""                                        \u0041""#, #""é                                           é""#,
      #""an escape that is none \x in a string of some length""#, #""half a pair \ud800 in a string of some length""#,
      #""a string of more than thirty-two bytes without an end"#, "\"a line feed\nin a string of more than 32 bytes\"",
    ])
  func table(_ text: String) {
    #expect(Self.difference(on: Array(text.utf8)) == nil)
  }

  @Test("four thousand generated documents", arguments: 0..<4)
  func generated(_ batch: Int) {
    var documents = Documents(seed: UInt64(batch))
    for _ in 0..<1000 {
      #expect(Self.difference(on: Array(documents.value().utf8)) == nil)
    }
  }

  @Test("cut at a byte, the head is decoded and the rest is still lent")
  func split() throws {
    let text = Array(#"["data:image\/png;base64,aGVsbG8gd29ybGQ\/\/\/w==","short,rest"]"#.utf8)
    try text.withUnsafeBufferPointer { text in
      for lends in [false, true] {
        let list = try JSON.parse(text, lends: lends)
        let (head, rest) = try #require(list[0].split(at: UInt8(ascii: ",")))
        #expect(head == "data:image/png;base64")
        #expect(rest.string == "aGVsbG8gd29ybGQ///w==")
        #expect(list[1].split(at: UInt8(ascii: ","))?.rest.string == "rest")
        #expect(list[1].split(at: UInt8(ascii: ";")) == nil)
      }
    }
  }
}
