// SPDX-License-Identifier: MIT
import CBytes

/// Finds its way in JSON text without decoding it.
///
/// The functions trust that the text is JSON only as far as they must to end: on text that isn't, they return nil or
/// a wrong but valid range, never a trap. Whoever needs certainty parses.
package enum Scan {
  @inlinable
  package static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  /// The offset of the first byte at or after `at` that isn't white space, or the end.
  @inlinable
  package static func skipSpace(_ text: ByteSlice, _ at: Int) -> Int {
    var at = at
    while at < text.count, isSpace(text[at]) { at += 1 }
    return at
  }

  /// The offset of the first byte at or after `at` that is `"`, `\` or a control character, or the end.
  @inlinable
  package static func plainRun(_ text: ByteSlice, _ at: Int) -> Int {
    var at = at
    let start = UnsafeRawPointer(text.baseAddress.unsafelyUnwrapped)
    while text.count &- at >= 16 {
      let plain = plainOfSixteen(start + at)
      at &+= plain
      if plain < 16 { return at }
    }
    if text.count - at >= 8 {
      let plain = plainBytes(start.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      at += plain
      if plain < 8 { return at }
    }
    while at < text.count {
      let byte = text[at]
      if byte == 0x22 || byte == 0x5C || byte < 0x20 { break }
      at += 1
    }
    return at
  }

  /// How many of the sixteen bytes that begin there come before the first `"`, `\` or control character.
  @inlinable
  @inline(__always)
  package static func plainOfSixteen(_ start: UnsafeRawPointer) -> Int {
    #if arch(x86_64)
      let found = cbytes_not_plain(start)
      return found == 0 ? 16 : found.trailingZeroBitCount
    #else
      // In words, not in bytes: other processors have no instruction that makes one number of a mask of bytes.
      let words = start.loadUnaligned(as: SIMD2<UInt64>.self)
      let found = notPlain(SIMD2(UInt64(littleEndian: words[0]), UInt64(littleEndian: words[1])))
      if found[0] | found[1] == 0 { return 16 }
      return (found[0] != 0 ? found[0].trailingZeroBitCount : 64 + found[1].trailingZeroBitCount) >> 3
    #endif
  }

  /// How many of the eight bytes in a word, as it stands in memory, come before the first `"`, `\` or control character.
  @inlinable
  @inline(__always)
  package static func plainBytes(_ word: UInt64) -> Int {
    notPlain(SIMD2(UInt64(littleEndian: word), 0x2020_2020_2020_2020))[0].trailingZeroBitCount >> 3
  }

  /// The top bit of each byte that is a `"`, a `\` or a control character, and of none before the first such.
  ///
  /// The subtraction borrows into a byte's top bit where the byte is zero, or below 0x20. A borrow may spoil the bytes
  /// behind such a one, never those before it.
  @inlinable
  @inline(__always)
  static func notPlain(_ words: SIMD2<UInt64>) -> SIMD2<UInt64> {
    let ones = SIMD2<UInt64>(repeating: 0x0101_0101_0101_0101)
    let quote = words ^ (ones &* 0x22)
    let backslash = words ^ (ones &* 0x5C)
    let found = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((words &- ones &* 0x20) & ~words)
    return found & (ones &* 0x80)
  }

  /// The offset behind the closing quote of the string that opens at `at`.
  @inlinable
  package static func endOfString(_ text: ByteSlice, _ at: Int) -> Int? {
    var at = at + 1
    while at < text.count {
      at = plainRun(text, at)
      guard at < text.count else { return nil }
      switch text[at] {
      case 0x22: return at + 1
      case 0x5C: at += 2
      default: at += 1
      }
    }
    return nil
  }

  /// The offset behind the value that begins at `at`, which is no white space.
  package static func endOfValue(_ text: ByteSlice, _ at: Int) -> Int? {
    guard at < text.count else { return nil }
    switch text[at] {
    case UInt8(ascii: "\""):
      return endOfString(text, at)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      var depth = 0
      var at = at
      while at < text.count {
        switch text[at] {
        case UInt8(ascii: "\""):
          guard let end = endOfString(text, at) else { return nil }
          at = end
          continue
        case UInt8(ascii: "{"), UInt8(ascii: "["):
          depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          depth -= 1
          if depth == 0 { return at + 1 }
        default: break
        }
        at += 1
      }
      return nil
    default:
      var end = at
      scalar: while end < text.count, !isSpace(text[end]) {
        switch text[end] {
        case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"): break scalar
        // Whoever copied this would open what nothing closes.
        case UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"): return nil
        default: end += 1
        }
      }
      return end == at ? nil : end
    }
  }

  /// Calls `body` with each member's key (between the quotes, not unescaped) and value until it returns false.
  ///
  /// Returns false where the text is no well-formed object as far as it was read.
  @discardableResult
  package static func members(_ object: ByteSlice, _ body: (_ key: ByteSlice, _ value: ByteSlice) -> Bool) -> Bool {
    var at = skipSpace(object, 0)
    guard at < object.count, object[at] == UInt8(ascii: "{") else { return false }
    at = skipSpace(object, at + 1)
    if at < object.count, object[at] == UInt8(ascii: "}") { return true }
    while at < object.count, object[at] == UInt8(ascii: "\"") {
      guard let endOfKey = endOfString(object, at) else { return false }
      let key = object.cut(at + 1, endOfKey - 1)
      at = skipSpace(object, endOfKey)
      guard at < object.count, object[at] == UInt8(ascii: ":") else { return false }
      at = skipSpace(object, at + 1)
      guard let endOfValue = endOfValue(object, at) else { return false }
      if !body(key, object.cut(at, endOfValue)) { return true }
      at = skipSpace(object, endOfValue)
      guard at < object.count else { return false }
      if object[at] == UInt8(ascii: "}") { return true }
      guard object[at] == UInt8(ascii: ",") else { return false }
      at = skipSpace(object, at + 1)
    }
    return false
  }

  /// Calls `body` with each element until it returns false.
  package static func elements(_ array: ByteSlice, _ body: (ByteSlice) -> Bool) {
    var at = skipSpace(array, 0)
    guard at < array.count, array[at] == UInt8(ascii: "[") else { return }
    at = skipSpace(array, at + 1)
    while at < array.count, array[at] != UInt8(ascii: "]"), let end = endOfValue(array, at) {
      if !body(array.cut(at, end)) { return }
      at = skipSpace(array, end)
      guard at < array.count, array[at] == UInt8(ascii: ",") else { return }
      at = skipSpace(array, at + 1)
    }
  }

  /// Whether the bytes of a name stand anywhere in a text. Where they don't, no member has that name.
  package static func mentions(_ name: StaticString, in text: ByteSlice) -> Bool {
    cbytes_find(text.baseAddress, text.count, name.utf8Start, name.utf8CodeUnitCount) != nil
  }

  /// The value of the object's first member of that name.
  package static func member(_ name: StaticString, of object: ByteSlice) -> ByteSlice? {
    // Most lookups are for members that aren't there, and all values would have to be walked through.
    guard mentions(name, in: object) else { return nil }
    var found: ByteSlice?
    members(object) { key, value in
      guard key.equals(name) else { return true }
      found = value
      return false
    }
    return found
  }

  /// The inside of a string value that holds no escapes; nil for any other value.
  @inlinable
  package static func plainString(_ value: ByteSlice?) -> ByteSlice? {
    guard let value, value.count >= 2, value[0] == 0x22, value[value.count - 1] == 0x22 else { return nil }
    let inside = value.cut(1, value.count - 1)
    return inside.offset(of: 0x5C) == nil ? inside : nil
  }
}
