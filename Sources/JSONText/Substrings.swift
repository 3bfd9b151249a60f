// SPDX-License-Identifier: MIT
import CBytes

// The standard library's own searches for a text stand in its library of regular expressions. Each program would contain
// that library, of 2 MB, and would look through its types at each start.
extension StringProtocol {
  /// Whether the bytes of a text stand anywhere in this one. The empty text stands in each.
  package func mentions(_ wanted: String) -> Bool { wanted.isEmpty || offset(of: wanted) != nil }

  /// What stands before the first place of a text; nil where the text does not stand in this one.
  package func before(_ wanted: String) -> SubSequence? {
    offset(of: wanted).map { self[..<utf8.index(startIndex, offsetBy: $0)] }
  }

  /// The first place of a text's bytes.
  private func offset(of wanted: String) -> Int? {
    var text = String(self)
    var wanted = wanted
    return text.withUTF8 { text in
      wanted.withUTF8 { wanted in
        guard let base = text.baseAddress, let found = cbytes_find(base, text.count, wanted.baseAddress, wanted.count)
        else { return nil }
        return found - UnsafeRawPointer(base)
      }
    }
  }
}
