// SPDX-License-Identifier: MIT

/// The text that a URL's percent escapes stand for; nil where an escape is none, or makes no UTF-8, or a control
/// character: no name has one, and whoever prints or logs it would not expect one.
package func percentDecoded(_ text: Substring) -> String? {
  guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
  var bytes: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      bytes.append(byte)
      continue
    }
    guard let high = rest.popFirst().flatMap(hexDigitValue), let low = rest.popFirst().flatMap(hexDigitValue)
    else { return nil }
    bytes.append(high << 4 | low)
  }
  let decoded = String(validating: bytes, as: UTF8.self)
  return decoded?.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) } == false
    ? decoded : nil
}

private func hexDigitValue(_ byte: UInt8) -> UInt8? {
  Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) }
}
