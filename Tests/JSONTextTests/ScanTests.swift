// SPDX-License-Identifier: MIT
import JSONText
import Testing

@Suite("scanning")
struct ScanTests {
  private static func member(_ name: StaticString, of text: String) -> String? {
    Array(text.utf8).withUnsafeBufferPointer { Scan.member(name, of: $0)?.text }
  }

  @Test("a member is found behind others, at the top only")
  func member() {
    let text = #" { "x" : {"a":1} , "s":"\"a\":2,}" ,"a" : [ 3 , {"b":4} ] , "a":5 } "#
    #expect(Self.member("a", of: text) == #"[ 3 , {"b":4} ]"#)
    #expect(Self.member("s", of: text) == #""\"a\":2,}""#)
    #expect(Self.member("b", of: text) == nil)
    #expect(Self.member("a", of: "[]") == nil)
    #expect(Self.member("a", of: "{}") == nil)
  }

  @Test("elements come in order")
  func elements() {
    var found: [String] = []
    Array(#"[1, "a,]" ,[2],{"b":[]},null ]"#.utf8).withUnsafeBufferPointer {
      Scan.elements($0) {
        found.append($0.text)
        return true
      }
    }
    #expect(found == ["1", #""a,]""#, "[2]", #"{"b":[]}"#, "null"])
  }

  @Test("a plain string is one without escapes")
  func plainString() {
    func plain(_ text: String) -> String? {
      Array(text.utf8).withUnsafeBufferPointer { Scan.plainString($0)?.text }
    }
    #expect(plain(#""abc""#) == "abc")
    #expect(plain(#""""#) == "")
    #expect(plain(#""a\"b""#) == nil)
    #expect(plain("\"") == nil)
    #expect(plain("abc") == nil)
    #expect(plain("7") == nil)
  }

  @Test("text that is cut short or broken ends in nothing, never in a trap", arguments: goodTexts + badTexts)
  func broken(_ text: String) {
    let sample = Array((#"{"rid":"a","ctx":{"b":[1,"c\\\""]},"d":"# + text + "}").utf8.prefix(400))
    for end in 0...sample.count {
      for start in 0...min(end, 60) {
        Array(sample[start..<end]).withUnsafeBufferPointer { slice in
          _ = Scan.members(slice) { _, value in value.count >= 0 }
          Scan.elements(slice) { $0.count > 0 }
          _ = Scan.member("d", of: slice)
          _ = Scan.plainString(slice)
          if slice.count > 0 {
            let value = Scan.endOfValue(slice, 0)
            let string = Scan.endOfString(slice, 0)
            #expect((value ?? 0) <= slice.count)
            #expect((string ?? 0) <= slice.count)
          }
        }
      }
    }
  }
}
