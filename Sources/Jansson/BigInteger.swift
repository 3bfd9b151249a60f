// SPDX-License-Identifier: MIT
import CJansson
import Glibc
import JSONText

/// An integer beyond 64 bits, which Jansson has no node for: hashes and database keys come so, and a real would be
/// another number.
///
/// Its node is a string of a byte that no UTF-8 has and the digits as they came.
enum BigInteger {
  private static let mark: UInt8 = 0xFE

  static func node(_ digits: ByteSlice) -> UnsafeMutablePointer<json_t>? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: digits.count + 1) { bytes in
      bytes[0] = CChar(bitPattern: mark)
      for index in 0..<digits.count { bytes[index + 1] = CChar(bitPattern: digits[index]) }
      return json_stringn_nocheck(bytes.baseAddress!, digits.count + 1)
    }
  }

  /// The digits, with their sign, that such a node stands for; nil for other nodes.
  static func read(_ raw: UnsafeMutablePointer<json_t>) -> ByteSlice? {
    guard raw.pointee.type == JSON_STRING, let text = stringBytes(raw), text.count > 1, text[0] == mark
    else { return nil }
    return text.cut(1, text.count)
  }
}

/// The number that its text says, as near as a double comes; infinite where that is not near at all.
func double(_ text: ByteSlice) -> Double {
  // strtod needs an end that isn't a digit; the slice's own text may be the last of its buffer.
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
    for index in 0..<text.count { copy[index] = CChar(bitPattern: text[index]) }
    copy[text.count] = 0
    return strtod(copy.baseAddress!, nil)
  }
}
