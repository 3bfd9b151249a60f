// SPDX-License-Identifier: MIT
import JSONText

/// Takes the chunks of an HTTP/1.1 body apart, in bytes that may be cut anywhere.
///
/// libcurl finds the end of such a body as well, but it throws away what follows in the same read and says nothing. What
/// follows an answer is the beginning of an answer that nobody asked for, so the connection must not be used again.
///
/// - SeeAlso: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>
package struct ChunkDecoder: ~Copyable {
  /// The bytes are not chunks, or what surrounds the data is longer than the limits.
  package struct Malformed: Error, Equatable {}

  private enum State {
    case size, extensions, data, dataReturn, dataFeed, trailer, trailerLine, lastFeed, done
  }

  private var state = State.size
  private var piece = ByteSlice(start: nil, count: 0)
  private var at = 0
  /// The size of the chunk, or what is left of its data.
  private var left = 0
  private var digits = 0
  /// How long the line of the chunk's size has become, or all trailers together.
  private var framing = 0

  package init() {}

  /// The last chunk and its trailers have come.
  package var isDone: Bool { state == .done }

  /// Bytes have come after the end: they belong to no answer that was asked for.
  package private(set) var hasSurplus = false

  /// Takes the next piece of the body; it must stay where it is until ``next()`` has returned nil.
  package mutating func take(_ bytes: ByteSlice) {
    piece = bytes
    at = 0
  }

  /// The next data, never empty; nil when the piece is used up.
  package mutating func next() throws(Malformed) -> ByteSlice? {
    while at < piece.count {
      if state == .data {
        let end = min(piece.count, at + left)
        let data = piece.cut(at, end)
        left -= data.count
        at = end
        if left == 0 { state = .dataReturn }
        return data
      }
      if state == .done {
        hasSurplus = true
        at = piece.count
        return nil
      }
      if !skipUsual() {
        try step(piece[at])
        at += 1
      }
    }
    return nil
  }

  /// Takes what nearly always stands between two chunks at once: the end of the data, or a size with nothing after it.
  private mutating func skipUsual() -> Bool {
    if state == .dataReturn {
      guard piece.count - at >= 2, piece[at] == 0x0D, piece[at + 1] == 0x0A else { return false }
      at += 2
      beginSize()
      return true
    }
    guard state == .size, digits == 0 else { return false }
    var end = at
    var size = 0
    while end < piece.count, end - at < 8, let digit = hexValue(piece[end]) {
      size = size << 4 | Int(digit)
      end += 1
    }
    guard end > at, piece.count - end >= 2, piece[end] == 0x0D, piece[end + 1] == 0x0A else { return false }
    at = end + 2
    left = size
    endSize()
    return true
  }

  private mutating func step(_ byte: UInt8) throws(Malformed) {
    let isFeed = byte == 0x0A
    let isReturn = byte == 0x0D
    switch state {
    case .size:
      if let digit = hexValue(byte) {
        // Fifteen digits are within an integer, and far beyond any answer.
        guard digits < 15 else { throw Malformed() }
        (left, digits) = (left << 4 | Int(digit), digits + 1)
      } else {
        guard digits > 0 else { throw Malformed() }
        if isFeed { endSize() } else { state = .extensions }
      }
    case .extensions:
      try count(upTo: HTTPLimits.maxChunkLine)
      if isFeed { endSize() }
    case .dataReturn:
      guard isFeed || isReturn else { throw Malformed() }
      if isFeed { beginSize() } else { state = .dataFeed }
    case .dataFeed:
      guard isFeed else { throw Malformed() }
      beginSize()
    case .trailer:
      try count(upTo: HTTPLimits.maxTrailers)
      state = isFeed ? .done : isReturn ? .lastFeed : .trailerLine
    case .trailerLine:
      try count(upTo: HTTPLimits.maxTrailers)
      if isFeed { state = .trailer }
    case .lastFeed:
      guard isFeed else { throw Malformed() }
      state = .done
    case .data, .done: break
    }
  }

  private mutating func endSize() {
    framing = 0
    state = left == 0 ? .trailer : .data
  }

  private mutating func beginSize() {
    (left, digits, framing) = (0, 0, 0)
    state = .size
  }

  private mutating func count(upTo limit: Int) throws(Malformed) {
    framing += 1
    guard framing <= limit else { throw Malformed() }
  }
}
