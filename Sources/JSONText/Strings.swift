// SPDX-License-Identifier: MIT
import Glibc

extension Bytes {
  /// Appends UTF-8 text as a JSON string, quotes included.
  package mutating func append(quoted text: ByteSlice) {
    append(UInt8(ascii: "\""))
    append(escaped: text)
    append(UInt8(ascii: "\""))
  }

  package mutating func append(quoted text: String) {
    var text = text
    text.withUTF8 { append(quoted: $0) }
  }

  /// Appends UTF-8 text as the inside of a JSON string.
  ///
  /// Escaped are the quote, the backslash and the control characters: what RFC 8259 demands, nothing more.
  package mutating func append(escaped text: ByteSlice) {
    guard let from = text.baseAddress else { return }
    // A byte becomes at most six; room for two is there from the start, since most text needs about one.
    reserve(2 * text.count + 6)
    var at = 0
    let source = UnsafeRawPointer(from)
    while text.count - at >= 16 {
      let sixteen = source.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
      reserve(16)
      // All of it, before it is known how much of it is plain.
      UnsafeMutableRawPointer(storage.unsafelyUnwrapped + used).storeBytes(of: sixteen, as: SIMD2<UInt64>.self)
      let plain = Scan.plainOfSixteen(source + at)
      used += plain
      at += plain
      if plain < 16 {
        put(escaped: from[at])
        at += 1
      }
    }
    while at < text.count {
      put(escaped: from[at])
      at += 1
    }
  }

  @inline(__always)
  private mutating func put(escaped byte: UInt8) {
    reserve(6)
    let to = storage.unsafelyUnwrapped + used
    if byte >= 0x20, byte != 0x22, byte != 0x5C {
      to[0] = byte
      used += 1
      return
    }
    to[0] = UInt8(ascii: "\\")
    used += 2
    switch byte {
    case 0x22, 0x5C: to[1] = byte
    case 0x0A: to[1] = UInt8(ascii: "n")
    case 0x0D: to[1] = UInt8(ascii: "r")
    case 0x09: to[1] = UInt8(ascii: "t")
    case 0x08: to[1] = UInt8(ascii: "b")
    case 0x0C: to[1] = UInt8(ascii: "f")
    default:
      to[1] = UInt8(ascii: "u")
      to[2] = UInt8(ascii: "0")
      to[3] = UInt8(ascii: "0")
      to[4] = hexDigit(byte >> 4)
      to[5] = hexDigit(byte & 15)
      used += 4
    }
  }

  /// Appends what the inside of a JSON string stands for, as UTF-8.
  ///
  /// Returns false, with nothing appended, where it is no valid inside of a JSON string: see ``unescape(_:into:)``.
  package mutating func append(unescaped inside: ByteSlice) -> Bool {
    guard inside.count > 0 else { return true }
    reserve(inside.count)
    guard let count = unescape(inside, into: storage.unsafelyUnwrapped + used) else { return false }
    used += count
    return true
  }

  package mutating func append(scalar: UInt32) {
    reserve(4)
    used += encode(scalar, into: storage.unsafelyUnwrapped + used)
  }
}

/// Writes what the inside of a JSON string stands for, as UTF-8, and returns its length.
///
/// It is never longer than the text: `room` is of that size at least. Nil where it is no valid inside of a JSON string:
/// a bad escape, half a surrogate pair, a control character, a quote. UTF-8 validity is not looked at (``UTF8Check``).
package func unescape(_ inside: ByteSlice, into room: UnsafeMutablePointer<UInt8>) -> Int? {
  guard inside.count > 0, let from = inside.baseAddress else { return 0 }
  let source = UnsafeRawPointer(from)
  let target = UnsafeMutableRawPointer(room)
  var at = 0
  var put = 0
  while true {
    // Escapes stand close together in JSON within JSON. So sixteen bytes are copied before it is known how many of them are
    // plain. They have room, because the output so far is never longer than the input so far.
    var plain = 16
    while plain == 16, inside.count - at >= 16 {
      let sixteen = source.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
      target.storeBytes(of: sixteen, toByteOffset: put, as: SIMD2<UInt64>.self)
      plain = Scan.plainOfSixteen(source + at)
      at &+= plain
      put &+= plain
    }
    while plain == 16, at < inside.count, inside[at] >= 0x20, inside[at] != 0x22, inside[at] != 0x5C {
      room[put] = inside[at]
      at &+= 1
      put &+= 1
    }
    let stop = at
    guard stop < inside.count else { return put }
    guard inside[stop] == UInt8(ascii: "\\"), stop + 1 < inside.count else { return nil }
    at = stop &+ 2
    let escape = inside[stop &+ 1]
    // Most escapes of JSON within JSON are quotes: a comparison costs less than a jump by a table.
    if escape == UInt8(ascii: "\"") || escape == UInt8(ascii: "\\") || escape == UInt8(ascii: "/") {
      room[put] = escape
      put &+= 1
      continue
    }
    switch escape {
    case UInt8(ascii: "n"): room[put] = 0x0A
    case UInt8(ascii: "r"): room[put] = 0x0D
    case UInt8(ascii: "t"): room[put] = 0x09
    case UInt8(ascii: "b"): room[put] = 0x08
    case UInt8(ascii: "f"): room[put] = 0x0C
    case UInt8(ascii: "u"):
      guard var scalar = hexQuad(inside, at) else { return nil }
      at += 4
      if scalar & 0xF800 == 0xD800 {
        guard scalar < 0xDC00, inside.starts(with: "\\u", at: at), let low = hexQuad(inside, at + 2),
          low & 0xFC00 == 0xDC00
        else { return nil }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
        at += 6
      }
      put += encode(scalar, into: room + put) - 1
    default: return nil
    }
    put &+= 1
  }
}

/// The offset behind the escape that begins at `at`, in text or in the inside of a string; nil where it is none, or
/// half a surrogate pair.
package func endOfEscape(_ text: ByteSlice, _ at: Int) -> Int? {
  guard text[at] == UInt8(ascii: "\\"), at + 1 < text.count else { return nil }
  switch text[at + 1] {
  case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "n"), UInt8(ascii: "r"),
    UInt8(ascii: "t"),
    UInt8(ascii: "b"), UInt8(ascii: "f"):
    return at + 2
  case UInt8(ascii: "u"):
    guard let scalar = hexQuad(text, at + 2) else { return nil }
    guard scalar & 0xF800 == 0xD800 else { return at + 6 }
    guard scalar < 0xDC00, text.starts(with: "\\u", at: at + 6), let low = hexQuad(text, at + 8), low & 0xFC00 == 0xDC00
    else { return nil }
    return at + 12
  default: return nil
  }
}

/// Writes a scalar as UTF-8 and returns its length, 4 bytes at most.
private func encode(_ scalar: UInt32, into room: UnsafeMutablePointer<UInt8>) -> Int {
  switch scalar {
  case ..<0x80:
    room[0] = UInt8(scalar)
    return 1
  case ..<0x800:
    room[0] = UInt8(0xC0 | scalar >> 6)
    room[1] = UInt8(0x80 | scalar & 0x3F)
    return 2
  case ..<0x10000:
    room[0] = UInt8(0xE0 | scalar >> 12)
    room[1] = UInt8(0x80 | scalar >> 6 & 0x3F)
    room[2] = UInt8(0x80 | scalar & 0x3F)
    return 3
  default:
    room[0] = UInt8(0xF0 | scalar >> 18)
    room[1] = UInt8(0x80 | scalar >> 12 & 0x3F)
    room[2] = UInt8(0x80 | scalar >> 6 & 0x3F)
    room[3] = UInt8(0x80 | scalar & 0x3F)
    return 4
  }
}

private func hexDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// The number that four hexadecimal digits make.
func hexQuad(_ text: ByteSlice, _ at: Int) -> UInt32? {
  guard text.count - at >= 4 else { return nil }
  var value: UInt32 = 0
  for index in at..<at + 4 {
    guard let digit = hexValue(text[index]) else { return nil }
    value = value << 4 | UInt32(digit)
  }
  return value
}

package func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}

/// Checks UTF-8 that arrives in pieces.
///
/// Refuses overlong forms, surrogates and values beyond U+10FFFF (RFC 3629).
package struct UTF8Check {
  /// How many continuation bytes are still to come.
  private var pending = 0
  /// The range that the next continuation byte must lie in.
  private var lower: UInt8 = 0x80
  private var upper: UInt8 = 0xBF

  package init() {}

  /// True when no character is cut in two.
  package var isWhole: Bool { pending == 0 }

  package static func isValid(_ text: ByteSlice) -> Bool {
    var check = UTF8Check()
    return check.take(text) == nil && check.isWhole
  }

  /// Takes the next bytes; the offset of the first wrong one, or nil.
  package mutating func take(_ text: ByteSlice) -> Int? {
    var at = 0
    let start = UnsafeRawPointer(text.baseAddress)
    while at < text.count {
      if pending == 0, let start {
        while text.count - at >= 8,
          start.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
          at += 8
        }
        if at == text.count { break }
      }
      if !take(text[at]) { return at }
      at += 1
    }
    return nil
  }

  /// Takes one byte; false where it can't stand here.
  @inline(__always)
  package mutating func take(_ byte: UInt8) -> Bool {
    if pending == 0 {
      switch byte {
      case ..<0x80: return true
      case 0xC2...0xDF: pending = 1
      case 0xE0: (pending, lower) = (2, 0xA0)
      case 0xED: (pending, upper) = (2, 0x9F)
      case 0xE1...0xEF: pending = 2
      case 0xF0: (pending, lower) = (3, 0x90)
      case 0xF4: (pending, upper) = (3, 0x8F)
      case 0xF1...0xF3: pending = 3
      default: return false
      }
      return true
    }
    guard byte >= lower, byte <= upper else { return false }
    (lower, upper) = (0x80, 0xBF)
    pending -= 1
    return true
  }
}
