// SPDX-License-Identifier: MIT
import Glibc

/// Turns each escape of half a surrogate pair into that of U+FFFD, in place: both are six bytes long.
///
/// JSON's grammar allows such an escape, but it stands for no character. Some parsers refuse the whole text because of it.
/// Models cut text in the middle of an emoji, so it occurs.
///
/// - Parameter text: JSON text, in which a backslash stands in strings only.
package func mendSurrogates(_ text: UnsafeMutableBufferPointer<UInt8>) {
  let slice = ByteSlice(text)
  var from = 0
  while let escape = slice.offset(of: UInt8(ascii: "\\"), from: from) {
    guard slice.count - escape >= 6, slice[escape + 1] == UInt8(ascii: "u") else {
      from = escape + 2
      continue
    }
    if let end = endOfEscape(slice, escape) {
      from = end
      continue
    }
    from = escape + 2
    guard slice[escape + 2] | 0x20 == UInt8(ascii: "d"),
      slice.cut(escape + 3, escape + 6).allSatisfy({ hexValue($0) != nil })
    else { continue }
    memcpy(text.baseAddress! + escape + 2, "fffd", 4)
    from = escape + 6
  }
}
