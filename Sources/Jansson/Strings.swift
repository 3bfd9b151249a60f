// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// A lent string is not in the tree: it still stands, with its escapes, in the text that was parsed. So a long string
/// that nobody looks into is neither decoded nor copied on its way from a request to its translation.
extension JSON {
  /// Whether a string shows anything: text other than white space. False for other kinds.
  package var hasVisibleText: Bool {
    guard isString else { return false }
    let isLent = value.tag == .lent
    let shown: Bool? = withExtendedLifetime(self) {
      value.withText { text in
        var at = 0
        while at < text.count {
          let byte = text[at]
          if byte == UInt8(ascii: "\\"), isLent, at + 1 < text.count {
            switch text[at + 1] {
            case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "f"): at += 2
            case UInt8(ascii: "u"): return nil
            default: return true
            }
          } else if byte >= 0x80 {
            return nil
          } else if Scan.isSpace(byte) || byte == 0x0B || byte == 0x0C {
            at += 1
          } else {
            return true
          }
        }
        return false
      }
    }
    return shown ?? (string?.unicodeScalars.contains { !$0.properties.isWhitespace } ?? false)
  }

  /// Whether a string begins so.
  package func hasPrefix(_ prefix: StaticString) -> Bool {
    guard isString else { return false }
    guard value.tag == .lent else { return withUTF8 { $0.starts(with: prefix) } ?? false }
    let starts: Bool? = value.withText { lent in
      let head = lent.cut(0, min(lent.count, prefix.utf8CodeUnitCount))
      // With an escape among them the first bytes aren't the first characters.
      return head.offset(of: UInt8(ascii: "\\")) == nil ? head.equals(prefix) : nil
    }
    return starts ?? (withUTF8 { $0.starts(with: prefix) } ?? false)
  }

  /// Cuts a string at the first such byte, which must stand among its first 512; the rest may be large and is not
  /// copied where the string is lent.
  package func split(at byte: UInt8) -> (head: String, rest: JSON)? {
    guard isString else { return nil }
    let isLent = value.tag == .lent
    return withExtendedLifetime(self) {
      value.withText { whole in
        guard let cut = whole.cut(0, min(whole.count, 512)).offset(of: byte) else { return nil }
        let rest = whole.cut(cut + 1, whole.count)
        guard isLent else { return (whole.cut(0, cut).text, JSON(utf8: rest)) }
        var head = Bytes()
        guard head.append(unescaped: whole.cut(0, cut)) else { return nil }
        return (head.slice.text, JSON(owning: Value(lending: rest)))
      }
    }
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
