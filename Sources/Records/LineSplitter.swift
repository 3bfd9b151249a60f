// SPDX-License-Identifier: MIT
import JSONText

/// Cuts a stream of bytes into lines, however the bytes arrive.
package struct LineSplitter: ~Copyable {
  package enum Piece {
    /// A line without its LF.
    case line(ByteSlice)
    /// The beginning of a line that is too long; the rest of it will be passed over.
    case tooLong(ByteSlice)
  }

  private var buffer = Bytes()
  /// Where the next line begins.
  private var start = 0
  /// Up to where there is known to be no LF.
  private var searched = 0
  /// Inside a line that is passed over.
  private var skipping = false
  private let maxLine: Int
  private let kept: Int

  /// - Parameter kept: the largest buffer that stays when a line has been taken, in bytes.
  package init(maxLine: Int = Limits.maxLine, keeping kept: Int = Limits.ownBuffer) {
    self.maxLine = maxLine
    self.kept = kept
  }

  /// Hands the free room to `fill`, which says how many bytes it put there.
  package mutating func fill<E: Error>(
    _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) -> Int {
    compact()
    return try buffer.appending(atMost: Limits.readSize, fill)
  }

  package mutating func append(_ bytes: ByteSlice) {
    compact()
    buffer.append(bytes)
  }

  private mutating func compact() {
    guard start > 0 else { return }
    if start == buffer.count {
      buffer.removeAll(keeping: kept)
    } else {
      buffer.removeFirst(start)
    }
    searched -= start
    start = 0
  }

  /// Gives back a buffer that is too large to be kept, when all in it has been taken.
  package mutating func release() {
    if start == buffer.count, buffer.room > kept { compact() }
  }

  /// The next line; valid until the next call of any kind.
  package mutating func next() -> Piece? {
    while true {
      guard let end = buffer.slice.offset(of: UInt8(ascii: "\n"), from: searched) else {
        searched = buffer.count
        if skipping {
          start = searched
        } else if searched - start > maxLine {
          let head = buffer.slice.cut(start, searched)
          skipping = true
          start = searched
          return .tooLong(head)
        }
        return nil
      }
      let line = buffer.slice.cut(start, end)
      start = end + 1
      searched = start
      if skipping {
        skipping = false
        continue
      }
      return line.count > maxLine ? .tooLong(line) : .line(line)
    }
  }

  /// All that is held, taken or not.
  package var content: ByteSlice { buffer.slice }

  /// Nothing of an earlier line is held or passed over.
  package var isEmpty: Bool { start == buffer.count && !skipping }

  /// The next whole line of bytes that are not copied, at or after `at`; nil where its end is not among them.
  ///
  /// The splitter must be empty.
  package func next(of bytes: ByteSlice, from at: inout Int) -> Piece? {
    guard let end = bytes.offset(of: UInt8(ascii: "\n"), from: at) else { return nil }
    let line = bytes.cut(at, end)
    at = end + 1
    return line.count > maxLine ? .tooLong(line) : .line(line)
  }

  /// It keeps a large buffer, with nothing in it.
  package var keepsMuch: Bool { start == buffer.count && buffer.room > Limits.ownBuffer }

  /// Gives back the large buffer that it keeps.
  package mutating func giveBack() {
    guard keepsMuch else { return }
    buffer.removeAll(keeping: Limits.ownBuffer)
    (start, searched) = (0, 0)
  }

  /// What stands behind the last LF, when nothing more will come.
  package var rest: ByteSlice { skipping ? buffer.slice.cut(0, 0) : buffer.slice.cut(start, buffer.count) }
}
