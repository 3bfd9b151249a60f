// SPDX-License-Identifier: MIT
import JSONText
import Testing

@Suite("strings")
struct StringTests {
  static func escaped(_ text: [UInt8]) -> [UInt8] {
    var made = Bytes()
    text.withUnsafeBufferPointer { made.append(escaped: $0) }
    return Array(made.slice)
  }

  static func unescaped(_ inside: [UInt8]) -> [UInt8]? {
    var made = Bytes()
    let isValid = inside.withUnsafeBufferPointer { made.append(unescaped: $0) }
    return isValid ? Array(made.slice) : nil
  }

  @Test("every ASCII character comes back, at every place of a long text")
  func roundTrip() {
    for byte in UInt8(0)..<0x80 {
      for before in [0, 1, 7, 15, 16, 17, 40] {
        let text = Array(repeating: UInt8(ascii: "a"), count: before) + [byte] + Array("é end of it".utf8)
        #expect(Self.unescaped(Self.escaped(text)) == text)
      }
    }
  }

  @Test("the characters at the edges of UTF-8 come back", arguments: goodUTF8)
  func edges(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(Self.unescaped(Self.escaped(bytes)) == bytes)
    #expect(bytes.withUnsafeBufferPointer { UTF8Check.isValid($0) })
  }

  @Test("only what must be is escaped")
  func least() {
    #expect(Self.escaped(Array("a/é\u{7F}😀".utf8)) == Array("a/é\u{7F}😀".utf8))
    let text = Self.escaped([0x22, 0x5C, 0x0A, 0x0D, 0x09, 0x08, 0x0C, 0x00, 0x1F])
    #expect(String(decoding: text, as: UTF8.self) == #"\"\\\n\r\t\b\f\u0000\u001f"#)
  }

  @Test(
    "escapes stand for what RFC 8259 says",
    arguments: [
      (#"\u0041\u00e9\u20AC"#, "Aé€"), (#"\ud83d\ude00"#, "😀"), (#"\uD834\uDD1E"#, "𝄞"), (#"\/\b\f"#, "/\u{8}\u{C}"),
      (#"\udbff\udfff"#, "\u{10FFFF}"), (#"\u0000"#, "\u{0}"),
    ])
  func escapes(_ inside: String, _ text: String) {
    #expect(Self.unescaped(Array(inside.utf8)) == Array(text.utf8))
  }

  @Test(
    "what is no inside of a string is refused",
    arguments: [
      #"\"#, #"\x"#, #"\u"#, #"\u12"#, #"\u12g4"#, #"\ud800"#, #"\ud800x"#, #"\ud800\n"#, #"\ud800\u0041"#, #"\udc00"#,
      "\"", "a\nb", "\u{0}",
    ])
  func bad(_ inside: String) {
    #expect(Self.unescaped(Array(inside.utf8)) == nil)
  }

  @Test(
    "half of a surrogate pair becomes U+FFFD, however the text is cut",
    arguments: [
      (#"\ud83d"#, #"\ufffd"#), (#"\ude00\ud83d"#, #"\ufffd\ufffd"#), (#"a\uD83D\uDE00b"#, #"a\uD83D\uDE00b"#),
      (#"\ud83d\ud83d\ude00"#, #"\ufffd\ud83d\ude00"#), (#"\\ud83d\\\ud83d"#, #"\\ud83d\\\ufffd"#),
      (#"\ud83d\n\udfff\""#, #"\ufffd\n\ufffd\""#), (#"\ud83dé\u00e9"#, #"\ufffdé\u00e9"#), (#"\ud83"#, #"\ud83"#),
      (#"\ud83d\ude0"#, #"\ufffd\ude0"#), (#"\ud83d\"#, #"\ufffd\"#), ("", ""), (#"\uD7FF\uE000"#, #"\uD7FF\uE000"#),
    ])
  func mended(_ text: String, _ expected: String) {
    let bytes = Array(text.utf8)
    for size in 1...max(bytes.count, 1) {
      var mender = SurrogateMender()
      var made = Bytes()
      for start in stride(from: 0, to: bytes.count, by: size) {
        bytes[start..<min(start + size, bytes.count)].withUnsafeBufferPointer { mender.append($0, to: &made) }
      }
      mender.finish(to: &made)
      #expect(made.text == expected)
    }
    var whole = Bytes()
    bytes.withUnsafeBufferPointer { whole.append(mending: $0) }
    #expect(whole.text == expected)
  }

  @Test("bytes that are no UTF-8 are found, in any pieces", arguments: badUTF8)
  func utf8(_ bytes: [UInt8]) {
    #expect(!bytes.withUnsafeBufferPointer { UTF8Check.isValid($0) })
    // Behind and before enough ASCII for the fast path.
    let text = Array("twelve bytes".utf8) + bytes + Array("and as many!".utf8)
    #expect(!text.withUnsafeBufferPointer { UTF8Check.isValid($0) })
    var check = UTF8Check()
    #expect(!(text.allSatisfy { check.take($0) } && check.isWhole))
  }

  @Test("a character cut in two is whole again with its rest")
  func cut() {
    var check = UTF8Check()
    for byte in "😀".utf8.dropLast() {
      let isRight = check.take(byte)
      #expect(isRight && !check.isWhole)
    }
    let isRight = check.take(Array("😀".utf8)[3])
    #expect(isRight && check.isWhole)
  }

  @Test("decimals", arguments: [0, 7, -1, 10, 1_234_567_890, .max, .min])
  func decimal(_ number: Int) {
    var made = Bytes()
    made.append(decimal: number)
    #expect(made.text == String(number))
  }
}
