// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Testing

@Suite("check of JSON in pieces")
struct CheckTests {
  /// What the check says of a text that arrives in pieces of that size: nil where it is one value.
  static func fault(of text: [UInt8], inPiecesOf size: Int) -> (JSONCheck.Fault?, made: [UInt8]) {
    var check = JSONCheck()
    var made = text
    var fault: JSONCheck.Fault?
    made.withUnsafeMutableBufferPointer { buffer in
      do throws(JSONCheck.Fault) {
        var at = 0
        while at < buffer.count {
          let end = at + min(size, buffer.count - at)
          try check.take(UnsafeMutableBufferPointer(rebasing: buffer[at..<end]))
          at = end
        }
        fault = check.endFault
      } catch {
        fault = error
      }
    }
    return (fault, made)
  }

  static func parses(_ text: [UInt8]) -> Bool {
    text.withUnsafeBufferPointer { (try? JSON.parse($0)) != nil }
  }

  @Test("good texts pass, in any pieces, and the parser agrees", arguments: goodTexts, [1, 2, 7, .max])
  func good(_ text: String, pieceSize: Int) {
    #expect(Self.fault(of: Array(text.utf8), inPiecesOf: pieceSize).0 == nil)
    #expect(Self.parses(Array(text.utf8)))
  }

  @Test("bad texts don't, and the parser agrees", arguments: badTexts, [1, 2, 7, .max])
  func bad(_ text: String, pieceSize: Int) {
    let whole = Self.fault(of: Array(text.utf8), inPiecesOf: .max).0
    #expect(whole != nil)
    #expect(Self.fault(of: Array(text.utf8), inPiecesOf: pieceSize).0 == whole)
    #expect(!Self.parses(Array(text.utf8)))
  }

  @Test("what only the parser refuses", arguments: textsForTheParser)
  func onlyParser(_ text: String) {
    #expect(Self.fault(of: Array(text.utf8), inPiecesOf: 1).0 == nil)
    #expect(!Self.parses(Array(text.utf8)))
  }

  @Test("bytes that are no UTF-8 don't pass in a string, nor outside", arguments: badUTF8, [1, .max])
  func badEncoding(_ bytes: [UInt8], pieceSize: Int) {
    for text in [[0x22] + bytes + [0x22], bytes, [0x5B] + bytes + [0x5D]] {
      #expect(Self.fault(of: text, inPiecesOf: pieceSize).0 != nil)
      #expect(!Self.parses(text))
    }
  }

  @Test("each good text cut short is no value, but for numbers", arguments: goodTexts)
  func cutShort(_ text: String) {
    let bytes = Array(text.utf8)
    for count in 0..<min(bytes.count, 200) {
      let prefix = Array(bytes[..<count])
      #expect((Self.fault(of: prefix, inPiecesOf: .max).0 == nil) == Self.parses(prefix))
    }
  }

  @Test("ends of lines between tokens become spaces, and nothing else changes")
  func oneLine() {
    let (fault, made) = Self.fault(of: Array("{\r\n\"a\"\n:\r[1\n,\"\\n\"]\n}\n".utf8), inPiecesOf: 3)
    #expect(fault == nil)
    #expect(String(decoding: made, as: UTF8.self) == "{  \"a\" : [1 ,\"\\n\"] } ")
  }

  @Test("a fault says where it is, counted from the start of the text")
  func offset() {
    #expect(Self.fault(of: Array(#"{"a":1,}"#.utf8), inPiecesOf: 2).0?.offset == 7)
    #expect(Self.fault(of: Array("[1, 2".utf8), inPiecesOf: 2).0?.offset == 5)
    #expect(Self.fault(of: [0x22, 0x61, 0xFF, 0x22], inPiecesOf: 1).0?.offset == 2)
  }

  @Test(
    "values are counted as they come, in any pieces", arguments: ["{}", "12", #""a""#, "[]", "null"], [1, 7, .max])
  func tooManyValues(_ value: String, pieceSize: Int) {
    // The list itself is one, each key one, and each object three.
    let total = 1 + 10 * (JSONCheck.nodesOfAnObject + 1 + (value == "{}" ? JSONCheck.nodesOfAnObject : 1))
    let text = Array(("[" + Array(repeating: #"{"k":"# + value + "}", count: 10).joined(separator: ",") + "]").utf8)
    for allowed in [total - 1, total] {
      var check = JSONCheck(maxNodes: allowed)
      var made = text
      var fault: JSONCheck.Fault?
      made.withUnsafeMutableBufferPointer { buffer in
        var at = 0
        while at < buffer.count, fault == nil {
          let end = at + min(pieceSize, buffer.count - at)
          do throws(JSONCheck.Fault) {
            try check.take(UnsafeMutableBufferPointer(rebasing: buffer[at..<end]))
          } catch {
            fault = error
          }
          at = end
        }
      }
      #expect((fault == nil) == (allowed == total))
      #expect(fault.map(\.isTooLarge) ?? true)
    }
  }
}
