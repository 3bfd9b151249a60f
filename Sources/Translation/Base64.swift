// SPDX-License-Identifier: MIT
import Jansson
import JSONText

/// Base64 as clients write it, and as the Messages API takes it.
///
/// White space, missing padding and the URL-safe alphabet are accepted: each of them can be read in only one way.
///
/// - SeeAlso: RFC 4648
enum Base64 {
  /// The same bytes in the form of RFC 4648 section 4; nil where it is no base64.
  ///
  /// Text that has that form already is handed on, and not copied.
  static func accepted(_ data: JSON) -> JSON? {
    if data.withStoredText(isAccepted) == true { return data }
    let made = data.withUTF8 { text -> JSON? in
      var clean = Bytes(capacity: text.count + 4)
      var isOver = false
      for byte in text {
        switch byte {
        case UInt8(ascii: "-"): clean.append(UInt8(ascii: "+"))
        case UInt8(ascii: "_"): clean.append(UInt8(ascii: "/"))
        case UInt8(ascii: " "), 0x09...0x0D: continue
        case UInt8(ascii: "="):
          isOver = true
          continue
        default:
          guard value(of: byte) != nil else { return nil }
          clean.append(byte)
        }
        // Two runs in one text are two texts.
        if isOver { return nil }
      }
      guard clean.count % 4 != 1 else { return nil }
      while clean.count % 4 != 0 { clean.append(UInt8(ascii: "=")) }
      return JSON(utf8: clean.slice)
    }
    return made ?? nil
  }

  /// The bytes of base64 text in either alphabet, at most so many; nil where it is none.
  static func decode(_ text: ByteSlice, atMost limit: Int = .max) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(text.count / 4 * 3 + 3, limit))
    var bits: UInt32 = 0
    var held = 0
    for byte in text where byte != UInt8(ascii: "=") {
      guard bytes.count < limit else { return bytes }
      guard let value = value(of: byte) else { return nil }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> held))
      }
    }
    return bytes
  }

  static func encode(_ bytes: ByteSlice) -> JSON {
    var text = Bytes(capacity: bytes.count / 3 * 4 + 4)
    var at = 0
    while at < bytes.count {
      let taken = min(3, bytes.count - at)
      var bits: UInt32 = 0
      for index in 0..<3 { bits = bits << 8 | (index < taken ? UInt32(bytes[at + index]) : 0) }
      for index in 0..<4 {
        text.append(index <= taken ? alphabet[Int(bits >> (18 - 6 * index) & 63)] : UInt8(ascii: "="))
      }
      at += taken
    }
    return JSON(utf8: text.slice)
  }

  /// Appends base64 that fits into URLs and headers, without padding (RFC 4648 section 5).
  static func append(urlSafe bytes: ByteSlice, to text: inout Bytes) {
    _ = encode(bytes).withUTF8 { encoded in
      text.reserve(encoded.count)
      for byte in encoded {
        switch byte {
        case UInt8(ascii: "+"): text.append(UInt8(ascii: "-"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "_"))
        case UInt8(ascii: "="): break
        default: text.append(byte)
        }
      }
    }
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte + 4
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }

  private static func isAccepted(_ text: ByteSlice) -> Bool {
    guard text.count > 0, text.count % 4 == 0 else { return false }
    var end = text.count
    while end > text.count - 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    return isPlain(text.cut(0, end))
  }

  /// Whether the text holds nothing that ``accepted(_:)`` would change, or that may stand for something else: white
  /// space, `-`, `_`, `=`, `%`, `\`. An image is megabytes, so this looks at words, all the way to the end.
  private static func isPlain(_ text: ByteSlice) -> Bool {
    let start = UnsafeRawPointer(text.baseAddress.unsafelyUnwrapped)
    var at = 0
    var found = SIMD2<UInt64>(repeating: 0)
    while text.count - at >= 16 {
      found |= suspicious(start.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self))
      at += 16
    }
    guard found[0] | found[1] == 0 else { return false }
    while at < text.count {
      let byte = text[at]
      if byte < 0x2B || byte == 0x2D || byte == 0x5F || byte == 0x3D || byte == 0x5C || byte >= 0x80 { return false }
      at += 1
    }
    return true
  }

  @inline(__always)
  private static func suspicious(_ words: SIMD2<UInt64>) -> SIMD2<UInt64> {
    let ones = SIMD2<UInt64>(repeating: 0x0101_0101_0101_0101)
    // With that bit `-` and `=` are one, and with those `\`, `]`, `^` and `_`; no letter or digit becomes the same.
    let first = (words | (ones &* 0x10)) ^ (ones &* 0x3D)
    let second = (words | (ones &* 0x03)) ^ (ones &* 0x5F)
    let equal = ((first &- ones) & ~first) | ((second &- ones) & ~second)
    return (equal | ((words &- (ones &* 0x2B)) & ~words) | words) & (ones &* 0x80)
  }
}
