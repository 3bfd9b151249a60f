// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import Records

/// What of an answer's body waits for the end of this wake-up; it goes as one chunk, in one buffer.
///
/// The head of a chunk (RFC 9112, 7.1) tells its size, which is known last: there is room for it before the bytes.
struct PendingBody {
  /// A size of 16 hexadecimal digits, and CRLF.
  private static let room = 18
  /// What an answer keeps between two of its events.
  private static let kept = 256 << 10

  private var buffer = ByteBuffer()

  var isEmpty: Bool { buffer.readableBytes == 0 }
  var count: Int { buffer.readableBytes }
  /// The bytes alone.
  var bytes: ByteBuffer { buffer }

  @inline(__always)
  private mutating func begin(_ count: Int) {
    guard buffer.writerIndex == 0 else { return }
    buffer.reserveCapacity(Self.room + count + 2)
    buffer.moveWriterIndex(to: Self.room)
    buffer.moveReaderIndex(to: Self.room)
  }

  mutating func append(_ bytes: ByteSlice) {
    begin(bytes.count)
    buffer.writeBytes(bytes)
  }

  mutating func append(_ text: StaticString) {
    begin(text.utf8CodeUnitCount)
    buffer.writeStaticString(text)
  }

  /// Appends what the inside of a JSON string stands for; false where it is none.
  @inline(__always)
  mutating func append(unescaped inside: ByteSlice) -> Bool {
    guard inside.count > 0 else { return true }
    begin(inside.count)
    var isWhole = true
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: inside.count) { room in
      guard let count = unescape(inside, into: room.baseAddress!.assumingMemoryBound(to: UInt8.self)) else {
        isWhole = false
        return 0
      }
      return count
    }
    return isWhole
  }

  /// Makes a chunk of the bytes, and gives it.
  mutating func chunk() -> ByteBuffer {
    var at = Self.room - 2
    buffer.setInteger(0x0D0A as UInt16, at: at)
    var size = buffer.readableBytes
    repeat {
      at -= 1
      let digit = UInt8(truncatingIfNeeded: size & 15)
      buffer.setInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit, at: at)
      size >>= 4
    } while size > 0
    buffer.moveReaderIndex(to: at)
    buffer.writeInteger(0x0D0A as UInt16)
    return buffer
  }

  /// Forgets the bytes; where nothing else holds their memory any more, it is used again, else begun small.
  mutating func clear() {
    if buffer.capacity > Self.kept { buffer = ByteBuffer() } else { buffer.clear(minimumCapacity: 0) }
  }
}
