// SPDX-License-Identifier: MIT
import CJansson
import JSONText

/// A string of the tree that is not in the tree: it still stands, with its escapes, in the text that was parsed.
///
/// Its node holds a byte that no UTF-8 has, and where the text lies. So a long string that nobody looks into is
/// neither decoded nor copied on its way from a request to its translation.
enum LentString {
  private static let mark: UInt8 = 0xFF
  private static let size = 1 + 2 * MemoryLayout<Int>.size

  /// The shortest text that is worth lending, in bytes: below it the node is as long as the text.
  static let shortest = 32

  /// The inside of a JSON string, as a new node.
  static func node(_ inside: ByteSlice) -> UnsafeMutablePointer<json_t>? {
    withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { bytes in
      bytes[0] = mark
      bytes.storeBytes(of: Int(bitPattern: inside.baseAddress), toByteOffset: 1, as: Int.self)
      bytes.storeBytes(of: inside.count, toByteOffset: 1 + MemoryLayout<Int>.size, as: Int.self)
      return json_stringn_nocheck(bytes.baseAddress!.assumingMemoryBound(to: CChar.self), size)
    }
  }

  /// The inside of the JSON string that such a node stands for; nil for a string that holds its own text.
  static func read(_ text: ByteSlice) -> ByteSlice? {
    guard text.count == size, text[0] == mark else { return nil }
    let bytes = UnsafeRawBufferPointer(text)
    let address = bytes.loadUnaligned(fromByteOffset: 1, as: Int.self)
    let count = bytes.loadUnaligned(fromByteOffset: 1 + MemoryLayout<Int>.size, as: Int.self)
    return ByteSlice(start: UnsafePointer(bitPattern: address), count: count)
  }
}

/// A string node's own bytes.
func stringBytes(_ raw: UnsafeMutablePointer<json_t>) -> ByteSlice? {
  json_string_value(raw).map {
    ByteSlice(start: UnsafeRawPointer($0).assumingMemoryBound(to: UInt8.self), count: json_string_length(raw))
  }
}

extension JSON {
  /// Whether a string shows anything: text other than white space. False for other kinds.
  package var hasVisibleText: Bool {
    guard isString, let text = stringBytes(raw) else { return false }
    let lent = LentString.read(text)
    let escaped = lent ?? text
    var at = 0
    while at < escaped.count {
      let byte = escaped[at]
      if byte == UInt8(ascii: "\\"), lent != nil, at + 1 < escaped.count {
        switch escaped[at + 1] {
        case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "f"): at += 2
        case UInt8(ascii: "u"): return hasVisibleScalar
        default: return true
        }
      } else if byte >= 0x80 {
        return hasVisibleScalar
      } else if Scan.isSpace(byte) || byte == 0x0B || byte == 0x0C || (0x1C...0x1F).contains(byte) {
        at += 1
      } else {
        return true
      }
    }
    return false
  }

  private var hasVisibleScalar: Bool {
    string?.unicodeScalars.contains { !$0.properties.isWhitespace && !Self.separators.contains($0.value) } ?? false
  }

  /// What separates files, groups, records and units: white space to Python, in which the Messages API judges it.
  private static let separators: ClosedRange<UInt32> = 0x1C...0x1F

  /// Whether a string begins so.
  package func hasPrefix(_ prefix: StaticString) -> Bool {
    guard isString, let text = stringBytes(raw) else { return false }
    guard let lent = LentString.read(text) else { return text.starts(with: prefix) }
    let head = lent.cut(0, min(lent.count, prefix.utf8CodeUnitCount))
    // With an escape among them the first bytes aren't the first characters.
    guard head.offset(of: UInt8(ascii: "\\")) != nil else { return head.equals(prefix) }
    return withUTF8 { $0.starts(with: prefix) } ?? false
  }

  /// Cuts a string at the first such byte, which must stand among its first 512; the rest may be large and is not
  /// copied where the string is lent.
  package func split(at byte: UInt8) -> (head: String, rest: JSON)? {
    guard isString, let text = stringBytes(raw) else { return nil }
    let lent = LentString.read(text)
    let whole = lent ?? text
    guard let cut = whole.cut(0, min(whole.count, 512)).offset(of: byte) else { return nil }
    let rest = whole.cut(cut + 1, whole.count)
    guard lent != nil else { return (whole.cut(0, cut).text, JSON(utf8: rest)) }
    var head = Bytes()
    guard head.append(unescaped: whole.cut(0, cut)), let node = LentString.node(rest) else { return nil }
    return (head.slice.text, JSON(owning: node))
  }
}
