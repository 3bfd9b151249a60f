// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Testing

/// The data of a stream's events, the stream fed in pieces.
private func events(_ text: [UInt8], pieceSize: Int, limit: Int = 1 << 20) -> [String]? {
  var decoder = EventDecoder(limit: limit)
  var found: [String]? = []
  inPieces(of: pieceSize, text) { piece in
    guard found != nil else { return }
    decoder.take(piece)
    do throws(EventDecoder.TooLong) {
      while let data = try decoder.next() { found?.append(data.text) }
    } catch {
      found = nil
    }
  }
  return found
}

@Suite("server-sent events")
struct EventDecoderTests {
  static let cases: [(name: String, text: String, events: [String])] = [
    ("plain", "event: a\ndata: {\"a\":1}\n\nevent: b\ndata: {\"b\":2}\n\n", ["{\"a\":1}", "{\"b\":2}"]),
    ("CRLF", "event: a\r\ndata: {\"a\":1}\r\n\r\ndata: {\"b\":2}\r\n\r\n", ["{\"a\":1}", "{\"b\":2}"]),
    ("CR alone", "event: a\rdata: {\"a\":1}\r\rdata: {\"b\":2}\r\r", ["{\"a\":1}", "{\"b\":2}"]),
    ("all line ends", "data: 1\r\n\ndata: 2\r\r\ndata: 3\n\r", ["1", "2", "3"]),
    ("comments", ": hello\n\n:\n:data: no\ndata: 1\n: between\n\n", ["1"]),
    ("lines of data", "data: {\ndata: \"a\":1\ndata: }\n\n", ["{ \"a\":1 }"]),
    ("no space, two spaces", "data:1\n\ndata:  2\n\n", ["1", " 2"]),
    ("byte order mark", "\u{FEFF}data: 1\n\n\u{FEFF}data: 2\n\ndata: 3\n\n", ["1", "3"]),
    ("other fields", "id: 7\nretry: 10\ndatum: x\ndata2: y\nfoo\ndata: 1\n\n", ["1"]),
    ("empty data", "data\n\ndata:\n\ndata: \n\ndata: 1\n\n", ["1"]),
    ("an empty line of data", "data:\ndata: 1\n\n", [" 1"]),
    ("many empty lines", "\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n", ["1", "2"]),
    ("the last one has no end", "data: 1\n\ndata: 2\n", ["1"]),
    ("the last line has no end", "data: 1\n\ndata: 2", ["1"]),
    ("beyond ASCII", "data: \"é🙂\u{2028}\"\n\n", ["\"é🙂\u{2028}\""]),
    ("nothing", "", []),
  ]

  /// The same bytes make the same events, however they arrive.
  @Test("in pieces", arguments: cases.map(\.name), [1, 2, 3, 7, .max])
  func pieces(_ name: String, pieceSize: Int) throws {
    let one = try #require(Self.cases.first { $0.name == name })
    #expect(events(one.text.bytes, pieceSize: pieceSize) == one.events)
  }

  @Test("cut in two at every byte")
  func everyCut() {
    for one in Self.cases {
      let text = one.text.bytes
      for cut in 0...text.count {
        var decoder = EventDecoder()
        var found: [String] = []
        for part in [Array(text[..<cut]), Array(text[cut...])] {
          part.withUnsafeBufferPointer {
            decoder.take($0)
            while let data = try? decoder.next() { found.append(data.text) }
          }
        }
        #expect(found == one.events, "\(one.name), cut at \(cut)")
      }
    }
  }

  @Test("an event without end is given up", arguments: [1, 7, .max])
  func tooLong(pieceSize: Int) {
    let long = "data: " + String(repeating: "x", count: 2_000)
    #expect(events(long.bytes, pieceSize: pieceSize, limit: 1_000) == nil)
    let lines = String(repeating: "data: xxxxxxxx\n", count: 200)
    #expect(events(lines.bytes, pieceSize: pieceSize, limit: 1_000) == nil)
    #expect(events(lines.bytes, pieceSize: pieceSize, limit: 4_000) == [])
  }

  @Test("any bytes at all end")
  func noise() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array("data: {}\"\r\n\r\n:\u{FEFF}x".utf8) + [0, 0xFF]
    for _ in 0..<2_000 {
      let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
      let whole = events(text, pieceSize: .max)
      #expect(whole == events(text, pieceSize: 1))
      #expect(whole == events(text, pieceSize: 3))
    }
  }
}
