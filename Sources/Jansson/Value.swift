// SPDX-License-Identifier: MIT
import CJansson
import Glibc
import JSONText

/// One value of a tree, in 16 bytes: scalars and short strings stand in it, all else in a block that it points to.
///
/// It does not own its block by itself. Whoever stores a value holds the block by ``retain()``, and gives it up by
/// ``release()``.
///
/// A tree of small values is many times as large as its text, and its text comes from a stranger. In Jansson's own
/// tree an empty object takes 200 bytes, and each member another 80; here they are 32 and 32.
struct Value {
  /// What it is. Those from `owned` on have a block.
  enum Tag: UInt8 {
    case null, isFalse, isTrue, integer, real
    /// A string in the value itself.
    case short
    /// A string that still stands, with its escapes, in the text that was parsed.
    case lent
    /// The digits of an integer beyond 64 bits, where they stand in the text that was parsed.
    case lentInteger
    /// The place of a member that was removed.
    case removed
    /// A string in a block.
    case owned
    /// The digits of an integer beyond 64 bits, in a block.
    case ownedInteger
    case array, object
  }

  /// A number, the first bytes of a short string, or an address.
  var word: UInt64
  /// The tag in the highest byte. A short string has its length in the byte below, other text its length in the rest.
  var meta: UInt64

  /// The longest string that stands in the value itself, in bytes.
  static let longestShort = 14

  /// The shortest string with escapes that is worth lending, in bytes.
  static let shortestEscapedLent = 32

  @inline(__always)
  init(_ tag: Tag, word: UInt64 = 0, count: Int = 0) {
    self.word = word
    meta = UInt64(tag.rawValue) << 56 | UInt64(truncatingIfNeeded: count)
  }

  @inline(__always)
  private init(_ tag: Tag, block: UnsafeMutableRawPointer, count: Int = 0) {
    self.init(tag, word: UInt64(UInt(bitPattern: block)), count: count)
  }

  @inline(__always)
  var tag: Tag { unsafeBitCast(UInt8(truncatingIfNeeded: meta >> 56), to: Tag.self) }

  @inline(__always)
  var hasBlock: Bool { meta >= UInt64(Tag.owned.rawValue) << 56 }

  @inline(__always)
  var block: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: UInt(word)).unsafelyUnwrapped }

  /// The length of a string, in bytes: of a lent one with its escapes.
  @inline(__always)
  var textCount: Int {
    tag == .short ? Int(meta >> 48 & 0xFF) : Int(meta & 0xFFFF_FFFF_FFFF)
  }

  // MARK: Making values

  static var null: Value { Value(.null) }

  init(_ bool: Bool) { self.init(bool ? .isTrue : .isFalse) }
  init(_ integer: Int) { self.init(.integer, word: UInt64(bitPattern: Int64(integer))) }
  init(_ real: Double) { self.init(.real, word: real.bitPattern) }

  /// A string that holds these bytes.
  init(text: ByteSlice) {
    if text.count <= Self.longestShort {
      self.init(short: text)
    } else {
      self.init(copying: text, as: .owned)
    }
  }

  /// A string that is looked up where it stands.
  @inline(__always)
  init(lending text: ByteSlice, as tag: Tag = .lent) {
    self.init(tag, word: UInt64(UInt(bitPattern: text.baseAddress)), count: text.count)
  }

  init(copying text: ByteSlice, as tag: Tag) {
    let block = NodePool.take(Self.textAt + text.count)
    block.storeBytes(of: 1, as: UInt32.self)
    if let start = text.baseAddress { (block + Self.textAt).copyMemory(from: start, byteCount: text.count) }
    self.init(tag, block: block, count: text.count)
  }

  /// - Parameter text: at most ``longestShort`` bytes.
  @inline(__always)
  init(short text: ByteSlice) {
    let start = UnsafeRawPointer(text.baseAddress)
    word = Self.bytes(start, min(text.count, 8))
    meta = UInt64(Tag.short.rawValue) << 56 | UInt64(text.count) << 48
    if text.count > 8 { meta |= Self.bytes(start.unsafelyUnwrapped + 8, text.count - 8) }
  }

  /// Up to eight bytes as one number, the first the lowest, without a call.
  @inline(__always)
  private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> UInt64 {
    guard let start, count > 0 else { return 0 }
    if count == 8 { return UInt64(littleEndian: start.loadUnaligned(as: UInt64.self)) }
    if count >= 4 {
      let low = UInt32(littleEndian: start.loadUnaligned(as: UInt32.self))
      let high = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
      return UInt64(low) | UInt64(high) << UInt64((count - 4) * 8)
    }
    let low = UInt64(start.load(as: UInt8.self))
    let middle = UInt64(start.load(fromByteOffset: count / 2, as: UInt8.self)) << UInt64(count / 2 * 8)
    return low | middle | UInt64(start.load(fromByteOffset: count - 1, as: UInt8.self)) << UInt64((count - 1) * 8)
  }

  static func array(_ values: UnsafePointer<Value>?, count: Int) -> Value {
    Value(.array, block: ArrayBlock.make(values, count: count))
  }

  /// An object of members with distinct keys.
  static func object(_ members: UnsafePointer<Member>?, count: Int) -> Value {
    Value(.object, block: ObjectBlock.make(members, count: count))
  }

  // MARK: Strings

  /// Where in a string's block its text begins, after the count of its holders.
  private static let textAt = 4

  /// Hands over the bytes of a string or of a big integer: of a lent one as they stand, with escapes.
  @inline(__always)
  func withText<R>(_ body: (ByteSlice) -> R) -> R {
    switch tag {
    case .short:
      return withUnsafeBytes(of: (word.littleEndian, meta.littleEndian)) {
        body(ByteSlice(start: $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self), count: textCount))
      }
    case .owned, .ownedInteger:
      return body(
        ByteSlice(start: UnsafePointer((block + Self.textAt).assumingMemoryBound(to: UInt8.self)), count: textCount))
    case .lent, .lentInteger:
      return body(ByteSlice(start: UnsafePointer(bitPattern: UInt(word)), count: textCount))
    default:
      return body(ByteSlice(start: nil, count: 0))
    }
  }

  /// Whether two keys are the same. Short ones have one form each, and lent ones no escapes.
  @inline(__always)
  func isSameKey(as other: Value) -> Bool {
    if word == other.word, meta == other.meta { return true }
    if tag == .short || other.tag == .short { return false }
    return isSameText(as: other)
  }

  private func isSameText(as other: Value) -> Bool {
    withText { one in other.withText { one.equals($0) } }
  }

  // MARK: Holding blocks

  @inline(__always)
  func retain() {
    if hasBlock { cjansson_retain(block.assumingMemoryBound(to: UInt32.self)) }
  }

  /// Whether nobody else holds its block.
  var isHeldOnce: Bool { block.assumingMemoryBound(to: UInt32.self).pointee == 1 }

  @inline(__always)
  func release() {
    if hasBlock, cjansson_release(block.assumingMemoryBound(to: UInt32.self)) != 0 { free() }
  }

  /// Frees the block, and what only it holds. No deeper than values are nested, which the parser bounds.
  private func free() {
    switch tag {
    case .array: ArrayBlock.free(block)
    case .object: ObjectBlock.free(block)
    default: NodePool.give(block, Self.textAt + textCount)
    }
  }
}
