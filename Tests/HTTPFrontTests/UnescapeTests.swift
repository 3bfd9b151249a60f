// SPDX-License-Identifier: MIT
import JSONText
import Testing

@Suite("unescape")
struct UnescapeTests {
  private func unescaped(_ inside: [UInt8]) -> [UInt8]? {
    // The room ends where the text's length ends: what is written behind it would be seen by valgrind.
    let room = UnsafeMutablePointer<UInt8>.allocate(capacity: inside.count + 1)
    defer { room.deallocate() }
    return inside.withUnsafeBufferPointer { text in
      unescape(text, into: room).map { Array(UnsafeBufferPointer(start: room, count: $0)) }
    }
  }

  @Test("any text comes back from its escaped form, at any length and offset")
  func roundTrip() {
    var generator = SystemRandomNumberGenerator()
    let bytes: [UInt8] = Array(0x00...0x22) + Array(0x5B...0x5D) + [0x61, 0x7F, 0x80, 0xA0, 0xDC, 0xFF]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...40)).map { _ in
        Bool.random() ? UInt8.random(in: 0x61...0xFF) : bytes.randomElement(using: &generator)!
      }
      var escaped = Bytes()
      text.withUnsafeBufferPointer { escaped.append(escaped: $0) }
      #expect(unescaped(Array(escaped.slice)) == text)
    }
  }

  @Test(arguments: [
    (#"\u00e9\/\b\f\r\t\n\"\\"#, "é/\u{8}\u{c}\r\t\n\"\\"), (#"12345678\ud83d\ude00x"#, "12345678😀x"), ("", ""),
    (#"1234567\n"#, "1234567\n"),
  ])
  func escapes(_ inside: String, _ text: String) { #expect(unescaped(Array(inside.utf8)) == Array(text.utf8)) }

  @Test(arguments: [
    #"\"#, #"1234567\"#, #"\x"#, #"\u12"#, #"\u12g4"#, #"\ud800"#, #"\ud800\u0041"#, #"\udc00"#, "a\"b", "\n",
    "12345678\u{1}2345678",
  ])
  func wrong(_ inside: String) { #expect(unescaped(Array(inside.utf8)) == nil) }
}
