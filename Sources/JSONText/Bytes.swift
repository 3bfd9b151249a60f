// SPDX-License-Identifier: MIT
import CBytes
import Glibc

/// Bytes that someone else owns: valid only as long as the owner says.
@usableFromInline package typealias ByteSlice = UnsafeBufferPointer<UInt8>

/// A growing run of bytes.
///
/// Not an array, because it grows by `realloc`: a line of 32 MB that arrives in pieces is moved by the kernel's page
/// tables and never stands in memory twice.
package struct Bytes: ~Copyable {
  @usableFromInline var storage: UnsafeMutablePointer<UInt8>?
  @usableFromInline var used = 0
  @usableFromInline var capacity = 0

  @inlinable
  package init() {}

  @inlinable
  package init(capacity: Int) {
    reserve(capacity)
  }

  deinit { free(storage) }

  @inlinable
  package var count: Int { used }

  @inlinable
  package var isEmpty: Bool { used == 0 }

  /// How many bytes it has memory for.
  @inlinable
  package var room: Int { capacity }

  /// What is in it now; not valid after the next mutation.
  @inlinable
  package var slice: ByteSlice { ByteSlice(start: storage, count: used) }

  @inlinable
  package var text: String { String(decoding: slice, as: UTF8.self) }

  /// Makes room for that many more bytes.
  @inlinable
  package mutating func reserve(_ more: Int) {
    if capacity - used < more { grow(to: used + more) }
  }

  @usableFromInline
  mutating func grow(to needed: Int) {
    let wanted = max(needed, capacity * 2, 256)
    guard let moved = realloc(storage, wanted) else { fatalError("out of memory for \(wanted) bytes") }
    storage = moved.assumingMemoryBound(to: UInt8.self)
    capacity = wanted
    preferHugePages(UnsafeMutableRawBufferPointer(start: moved, count: wanted))
  }

  @inlinable
  package mutating func append(_ byte: UInt8) {
    reserve(1)
    storage.unsafelyUnwrapped[used] = byte
    used += 1
  }

  @inlinable
  package mutating func append(_ bytes: ByteSlice) {
    guard bytes.count > 0, let from = bytes.baseAddress else { return }
    reserve(bytes.count)
    memcpy(storage.unsafelyUnwrapped + used, from, bytes.count)
    used += bytes.count
  }

  @inlinable
  package mutating func append(_ text: StaticString) {
    append(ByteSlice(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  @inlinable
  package mutating func append(_ bytes: ByteSlice, _ end: StaticString) {
    append(bytes)
    append(end)
  }

  @inlinable
  package mutating func append(text: String) {
    var text = text
    text.withUTF8 { append($0) }
  }

  package mutating func append(decimal number: Int) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = number.magnitude
      var at = 20
      repeat {
        at -= 1
        digits[at] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0
      if number < 0 { append(UInt8(ascii: "-")) }
      append(ByteSlice(start: digits.baseAddress! + at, count: 20 - at))
    }
  }

  /// Hands the free room behind the content to `fill`, which says how many bytes it put there.
  @inlinable
  package mutating func appending<E: Error>(
    atMost room: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) -> Int {
    reserve(room)
    let put = try fill(UnsafeMutableRawBufferPointer(start: storage.unsafelyUnwrapped + used, count: room))
    used += max(put, 0)
    return put
  }

  /// Drops bytes from the front.
  @inlinable
  package mutating func removeFirst(_ n: Int) {
    used -= n
    if used > 0 { memmove(storage.unsafelyUnwrapped, storage.unsafelyUnwrapped + n, used) }
  }

  /// Drops bytes from the end.
  @inlinable
  package mutating func removeLast(_ n: Int) { used -= n }

  /// Empties it; memory beyond `keeping` bytes goes back, so that one large line is not paid for ever after.
  package mutating func removeAll(keeping limit: Int = 1 << 20) {
    used = 0
    if capacity > limit {
      free(storage)
      storage = nil
      capacity = 0
    }
  }

  /// Moves the content out and leaves this empty.
  package mutating func take() -> Bytes {
    let taken = Bytes(moving: storage, used: used, capacity: capacity)
    storage = nil
    used = 0
    capacity = 0
    return taken
  }

  private init(moving storage: UnsafeMutablePointer<UInt8>?, used: Int, capacity: Int) {
    self.storage = storage
    self.used = used
    self.capacity = capacity
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// The bytes between two offsets of this slice.
  @inlinable
  package func cut(_ from: Int, _ to: Int) -> ByteSlice {
    ByteSlice(start: baseAddress.map { $0 + from }, count: to - from)
  }

  @inlinable
  package func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && (count == 0 || memcmp(baseAddress!, text.utf8Start, count) == 0)
  }

  @inlinable
  package func equals(_ other: ByteSlice) -> Bool {
    count == other.count && (count == 0 || memcmp(baseAddress!, other.baseAddress!, count) == 0)
  }

  @inlinable
  package func starts(with text: StaticString, at offset: Int = 0) -> Bool {
    count - offset >= text.utf8CodeUnitCount
      && memcmp(baseAddress! + offset, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  @inlinable
  package var text: String { String(decoding: self, as: UTF8.self) }

  /// The offset of the next such byte at or after `from`.
  @inlinable
  package func offset(of byte: UInt8, from: Int = 0) -> Int? {
    guard from < count, let start = baseAddress, let hit = memchr(start + from, Int32(byte), count - from)
    else { return nil }
    return UnsafeRawPointer(hit) - UnsafeRawPointer(start)
  }
}

/// Asks the system to give a large piece of memory in large pages. A small piece stays as it is.
package func preferHugePages(_ piece: UnsafeMutableRawBufferPointer) {
  if piece.count >= 4 << 20 { cbytes_prefer_huge_pages(piece.baseAddress, piece.count) }
}
