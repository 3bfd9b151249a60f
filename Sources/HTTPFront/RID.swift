// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// The name of a request: `r` and 14 digits, so that it fits where a string costs no memory.
///
/// Kept as two numbers, the first and the last eight of its bytes: records are told apart without making strings.
package struct RID: Hashable, Sendable {
  private let head: UInt64
  private let tail: UInt64

  private static let length = 15

  /// The name in a record; nil for a name that isn't of our making.
  @inline(__always)
  package init?(_ bytes: ByteSlice) {
    guard bytes.count == Self.length, let start = UnsafeRawPointer(bytes.baseAddress) else { return nil }
    head = start.loadUnaligned(as: UInt64.self)
    tail = start.loadUnaligned(fromByteOffset: Self.length - 8, as: UInt64.self)
  }

  package var text: String {
    withUnsafeTemporaryAllocation(byteCount: Self.length, alignment: 1) { room in
      room.storeBytes(of: head, as: UInt64.self)
      room.storeBytes(of: tail, toByteOffset: Self.length - 8, as: UInt64.self)
      return String(decoding: room, as: UTF8.self)
    }
  }
}

/// Makes names that are used once: 40 random bits of this process, and a count.
package struct RIDMaker {
  private static let digits: StaticString = "0123456789abcdefghjkmnpqrstvwxyz"
  private static let countBits: UInt64 = 30
  private var random: UInt64 = 0
  private var count: UInt64 = 0

  package init() {}

  package mutating func next() -> RID {
    if count & (1 << Self.countBits - 1) == 0 { random = UInt64.random(in: 0..<1 << 40) }
    let number = count & (1 << Self.countBits - 1)
    count += 1
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 15) { room in
      room[0] = UInt8(ascii: "r")
      for index in 0..<8 { room[1 + index] = Self.digits.utf8Start[Int(random >> UInt64(35 - 5 * index) & 31)] }
      for index in 0..<6 { room[9 + index] = Self.digits.utf8Start[Int(number >> UInt64(25 - 5 * index) & 31)] }
      return RID(ByteSlice(room))!
    }
  }
}

/// Microseconds since the epoch.
func microseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
