// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Testing

@Suite("chunks")
struct ChunkDecoderTests {
  /// The data of a body that comes in such pieces; nil where it is malformed.
  private func decode(_ body: String, _ size: Int) -> (data: String, isDone: Bool, hasSurplus: Bool)? {
    var decoder = ChunkDecoder()
    var data: [UInt8] = []
    var isMalformed = false
    inPieces(of: size, body.bytes) { piece in
      decoder.take(piece)
      do throws(ChunkDecoder.Malformed) {
        while let some = try decoder.next() { data += some }
      } catch {
        isMalformed = true
      }
    }
    return isMalformed ? nil : (String(decoding: data, as: UTF8.self), decoder.isDone, decoder.hasSurplus)
  }

  @Test("data between its sizes, however it is cut", arguments: [1, 2, 7, .max])
  func data(size: Int) throws {
    for (body, data) in [
      ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("5\nhello\n0\n\n", "hello"), ("0\r\n\r\n", ""),
      ("2 ; a=\"b\"\r\nhe\r\n003;x\r\nllo\r\n0;y\r\na: b\r\nc:\r\n\r\n", "hello"),
      ("A\r\n0123\r\n\r\n56\r\n0\r\n\r\n", "0123\r\n\r\n56"),
    ] {
      let got = try #require(decode(body, size))
      #expect(got.data == data && got.isDone && !got.hasSurplus)
      let more = try #require(decode(body + "H", size))
      #expect(more.data == data && more.hasSurplus)
      #expect(decode(String(body.dropLast()), size)?.isDone == false)
    }
  }

  @Test(
    "what is malformed",
    arguments: ["x\r\n", "\r\n", "-1\r\n", "1\r\nab", "0\r\n\rX", "1000000000000000\r\n", "1\r\na\rX"])
  func malformed(body: String) { for size in [1, .max] { #expect(decode(body, size) == nil) } }

  @Test("what surrounds the data has limits", arguments: [1, 1_000, .max])
  func limits(size: Int) {
    let long = String(repeating: "x", count: HTTPLimits.maxChunkLine)
    #expect(decode("1;\(long)\r\n", size) == nil)
    let lines = String(repeating: "a: b\r\n", count: HTTPLimits.maxTrailers / 6 + 1)
    #expect(decode("0\r\n\(lines)", size) == nil)
    // Each chunk may have as much as that.
    let some = String(repeating: "1;\(long.dropLast(9))\r\na\r\n", count: 5)
    #expect(decode(some + "0\r\n\r\n", size)?.data == "aaaaa")
  }
}
