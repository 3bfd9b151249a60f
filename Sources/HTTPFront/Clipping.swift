// SPDX-License-Identifier: MIT

/// Text that came from outside, cut to a length in bytes, at the end of a character.
///
/// Whatever the front repeats to a client goes through this: a request must not decide how large an answer is.
package func clipped(_ text: String, to limit: Int) -> String {
  guard text.utf8.count > limit else { return text }
  var end = text.utf8.index(text.utf8.startIndex, offsetBy: limit)
  while end > text.utf8.startIndex, text.utf8[end] & 0xC0 == 0x80 { end = text.utf8.index(before: end) }
  return String(text[..<end])
}

/// A part of a request as an error message repeats it.
package func echo(_ text: String) -> String {
  text.utf8.count <= FrontLimits.maxEcho ? text : clipped(text, to: FrontLimits.maxEcho) + "…"
}
