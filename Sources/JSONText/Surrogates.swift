// SPDX-License-Identifier: MIT

/// Puts U+FFFD in the place of each escape that is half of a surrogate pair, in JSON text that comes in pieces.
///
/// `\ud83d` alone is valid by JSON's grammar and stands for no character. Some parsers refuse it, others fail when the
/// text is written again. The text keeps its length.
package struct SurrogateMender: ~Copyable {
  /// The beginning of an escape whose rest is still to come: 11 bytes at most.
  private var held = Bytes()

  package init() {}

  /// Appends a piece to `out`, as far as it is decided.
  package mutating func append(_ piece: ByteSlice, to out: inout Bytes) {
    guard !held.isEmpty || piece.offset(of: UInt8(ascii: "\\")) != nil else { return out.append(piece) }
    held.append(piece)
    let text = held.take()
    let decided = Self.append(text.slice, isEnd: false, to: &out)
    held.append(text.slice.cut(decided, text.count))
  }

  /// Appends what was held back; nothing follows.
  package mutating func finish(to out: inout Bytes) {
    let text = held.take()
    _ = Self.append(text.slice, isEnd: true, to: &out)
  }

  /// Appends text to `out`, up to an escape that is cut off; where that begins, or the end.
  fileprivate static func append(_ text: ByteSlice, isEnd: Bool, to out: inout Bytes) -> Int {
    var start = 0
    var at = 0
    while let escape = text.offset(of: UInt8(ascii: "\\"), from: at) {
      switch Escape(text, escape, isEnd: isEnd) {
      case .sound(let end): at = end
      case .lone:
        out.append(text.cut(start, escape))
        out.append("\\ufffd")
        at = escape + 6
        start = at
      case .cut:
        out.append(text.cut(start, escape))
        return escape
      }
    }
    out.append(text.cut(start, text.count))
    return text.count
  }

  private enum Escape {
    case sound(end: Int), lone, cut

    init(_ text: ByteSlice, _ at: Int, isEnd: Bool) {
      let count = text.count - at
      guard count >= 2 else {
        self = isEnd ? .sound(end: text.count) : .cut
        return
      }
      guard text[at + 1] == UInt8(ascii: "u") else {
        self = .sound(end: at + 2)
        return
      }
      guard let half = hexQuad(text, at + 2) else {
        self = count >= 6 || isEnd ? .sound(end: at + 2) : .cut
        return
      }
      guard half & 0xF800 == 0xD800 else {
        self = .sound(end: at + 6)
        return
      }
      guard half < 0xDC00 else {
        self = .lone
        return
      }
      if let low = hexQuad(text, at + 8), text.starts(with: "\\u", at: at + 6), low & 0xFC00 == 0xDC00 {
        self = .sound(end: at + 12)
      } else {
        // The other half may follow: as long as all that is there of it is its beginning.
        let isOpen = count < 12 && (count < 7 || text[at + 6] == 0x5C) && (count < 8 || text[at + 7] == 0x75)
        self = isOpen && !isEnd ? .cut : .lone
      }
    }
  }
}

extension Bytes {
  /// Appends whole JSON text, with U+FFFD in the place of halves of surrogate pairs.
  package mutating func append(mending text: ByteSlice) {
    _ = SurrogateMender.append(text, isEnd: true, to: &self)
  }
}

extension Scan {
  /// The offset of the first escape that is half of a surrogate pair.
  package static func loneSurrogate(in text: ByteSlice) -> Int? {
    var at = 0
    while let escape = text.offset(of: UInt8(ascii: "\\"), from: at) {
      guard escape + 1 < text.count else { return nil }
      at = escape + 2
      guard text[escape + 1] == UInt8(ascii: "u"), let half = hexQuad(text, at), half & 0xF800 == 0xD800 else {
        continue
      }
      guard let end = endOfEscape(text, escape) else { return escape }
      at = end
    }
    return nil
  }

  /// The offset after the closing quote of the string that opens at `at`; nil where the string has no end, holds an
  /// escape that stands for no character, or a control character.
  package static func endOfSoundString(_ text: ByteSlice, _ at: Int) -> Int? {
    var at = at + 1
    while true {
      at = plainRun(text, at)
      guard at < text.count, text[at] >= 0x20 else { return nil }
      if text[at] == UInt8(ascii: "\"") { return at + 1 }
      guard let next = endOfEscape(text, at) else { return nil }
      at = next
    }
  }
}
