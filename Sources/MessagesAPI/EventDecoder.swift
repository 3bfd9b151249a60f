// SPDX-License-Identifier: MIT
import JSONText

/// Finds the data of server-sent events in bytes that may be cut anywhere.
///
/// Lines end with LF, CR or CRLF; comments and fields other than `data` are passed over; the lines of an event's data
/// are joined by a space, since the data is JSON and a line's end can only stand between its tokens. What has no empty
/// line behind it is no event.
///
/// - SeeAlso: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>
package struct EventDecoder: ~Copyable {
  /// An event is longer than the limit.
  package struct TooLong: Error, Equatable {}

  private let limit: Int
  private var piece = ByteSlice(start: nil, count: 0)
  private var at = 0
  /// The offset of the next LF at or after `at`, or the piece's end; less than `at` when not known.
  private var lineFeed = -1
  /// The beginning of a line whose end hasn't come.
  private var cut = Bytes()
  private var cutIsDone = false
  /// The event's data, where it is the whole of one line in this piece.
  private var line: ByteSlice?
  /// The event's data, where it isn't.
  private var data = Bytes()
  private var hasData = false
  private var isHandedOut = false
  /// The last piece ended with a CR, so that a LF now belongs to it.
  private var endedWithReturn = false
  private var isFirstLine = true

  /// - Parameter limit: how long an event's data may be, in bytes.
  package init(limit: Int = HTTPLimits.maxEvent) { self.limit = limit }

  /// Takes the next piece of the stream; it must stay where it is until ``next()`` has returned nil.
  package mutating func take(_ bytes: ByteSlice) {
    piece = bytes
    at = 0
    lineFeed = -1
    if endedWithReturn, bytes.count > 0 {
      endedWithReturn = false
      if bytes[0] == 0x0A { at = 1 }
    }
  }

  /// The data of the next event; valid until the next call. Nil when the piece is used up.
  package mutating func next() throws(TooLong) -> ByteSlice? {
    if isHandedOut {
      data.removeAll()
      (hasData, isHandedOut) = (false, false)
    }
    while let bytes = nextLine() {
      if bytes.count > 0 {
        takeField(bytes)
        guard data.count <= limit else { throw TooLong() }
      } else if let event = line {
        line = nil
        return event
      } else if !data.isEmpty {
        isHandedOut = true
        return data.slice
      } else {
        hasData = false
      }
    }
    // The piece is about to go.
    keepLine()
    guard cut.count <= limit else { throw TooLong() }
    return nil
  }

  /// The next whole line without its end; nil when there is none, with what there is of it kept.
  private mutating func nextLine() -> ByteSlice? {
    if cutIsDone {
      cut.removeAll()
      cutIsDone = false
    }
    guard at < piece.count else { return nil }
    if lineFeed < at { lineFeed = piece.offset(of: 0x0A, from: at) ?? piece.count }
    let start = at
    var end = lineFeed
    if let carriageReturn = piece.cut(start, end).offset(of: 0x0D) {
      end = start + carriageReturn
      at = end + 1
      if at == piece.count { endedWithReturn = true } else if piece[at] == 0x0A { at += 1 }
    } else if end == piece.count {
      cut.append(piece.cut(start, end))
      at = end
      return nil
    } else {
      at = end + 1
    }
    guard !cut.isEmpty else { return withoutMark(piece.cut(start, end)) }
    cut.append(piece.cut(start, end))
    cutIsDone = true
    return withoutMark(cut.slice)
  }

  /// The line without the byte order mark that a stream may begin with.
  private mutating func withoutMark(_ bytes: ByteSlice) -> ByteSlice {
    guard isFirstLine else { return bytes }
    isFirstLine = false
    return bytes.starts(with: "\u{FEFF}") ? bytes.cut(3, bytes.count) : bytes
  }

  private mutating func takeField(_ bytes: ByteSlice) {
    guard bytes.starts(with: "data"), bytes.count == 4 || bytes[4] == UInt8(ascii: ":") else { return }
    var from = min(5, bytes.count)
    if from < bytes.count, bytes[from] == UInt8(ascii: " ") { from += 1 }
    let value = bytes.cut(from, bytes.count)
    if line == nil, !hasData, !cutIsDone, value.count > 0 {
      line = value
      return
    }
    keepLine()
    if hasData { data.append(UInt8(ascii: " ")) }
    data.append(value)
    hasData = true
  }

  private mutating func keepLine() {
    guard let value = line else { return }
    line = nil
    data.append(value)
    hasData = true
  }
}
