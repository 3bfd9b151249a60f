// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records

/// The bytes that a request sends, held once: those that came, and what the proxy puts before their last brace.
struct RequestBody: ~Copyable {
  /// Asks for the prompt to be cached, where the client's own API has no mark for it.
  private static let cacheMark: StaticString = #""cache_control":{"type":"ephemeral"}}"#

  /// The body; with `--decline`, the whole line. Empty when all is sent and no longer needed.
  private var kept: Bytes
  private let start: Int
  /// How many bytes go out as they came.
  private let plain: Int
  private let addition: StaticString
  /// What is added needs a comma before it.
  private let needsComma: Bool
  /// If `kept` has no room for the addition after the body, a short body is put together here.
  private var joined: Bytes
  let count: Int
  private(set) var sent = 0
  /// The most of it that was ever handed over.
  private(set) var mostSent = 0

  /// - Parameter keepsLine: the line itself may have to be handed on.
  init(_ line: Line, hasBody: Bool, marksCache: Bool, keepsLine: Bool) {
    let payload = hasBody ? line.payload : line.payload.cut(0, 0)
    let isMarked =
      hasBody && marksCache && payload.last == UInt8(ascii: "}") && Scan.member("cache_control", of: payload) == nil
    let plain = payload.count - (isMarked ? 1 : 0)
    let needsComma = isMarked && Scan.skipSpace(payload, 1) < plain
    let addition: StaticString = isMarked ? Self.cacheMark : ""
    let count = plain + (needsComma ? 1 : 0) + addition.utf8CodeUnitCount
    // Made apart from self: the compiler frees what was not there yet where buffers are filled in place.
    var kept = Bytes(capacity: keepsLine ? line.bytes.count : count)
    var joined = Bytes()
    kept.append(keepsLine ? line.bytes : payload.cut(0, plain))
    if !keepsLine {
      Self.append(addition, afterComma: needsComma, to: &kept)
    } else if isMarked, count < HTTPLimits.pieceBodies {
      joined.append(payload.cut(0, plain))
      Self.append(addition, afterComma: needsComma, to: &joined)
    }
    self.start = keepsLine && hasBody ? payload.baseAddress! - line.bytes.baseAddress! : 0
    self.plain = plain
    self.addition = addition
    self.needsComma = needsComma
    self.count = count
    self.kept = kept
    self.joined = joined
  }

  private static func append(_ addition: StaticString, afterComma: Bool, to bytes: inout Bytes) {
    if afterComma { bytes.append(",") }
    bytes.append(addition)
  }

  /// How much memory it takes.
  var held: Int { kept.count + joined.count }

  /// The line that the request came as; there as long as it may be handed on.
  var line: ByteSlice { kept.slice }

  /// It goes out in one piece.
  var isShort: Bool { count < HTTPLimits.pieceBodies }

  /// All of it, where it goes out in one piece.
  var piece: ByteSlice? {
    guard isShort else { return nil }
    return joined.isEmpty ? kept.slice.cut(start, start + count) : joined.slice
  }

  var isSent: Bool { sent == count }

  /// Hands over the next bytes; nil where they are gone.
  mutating func send(_ room: UnsafeMutableRawBufferPointer) -> Int? {
    if isSent { return 0 }
    guard !kept.isEmpty else { return nil }
    var given = 0
    func give(_ bytes: ByteSlice, from offset: Int) {
      let at = sent + given - offset
      let some = min(room.count - given, bytes.count - at)
      guard at >= 0, some > 0 else { return }
      memcpy(room.baseAddress! + given, bytes.baseAddress! + at, some)
      given += some
    }
    give(kept.slice.cut(start, start + (kept.count - start >= count ? count : plain)), from: 0)
    if sent + given >= plain, sent + given < count {
      var rest = Bytes(capacity: count - plain)
      Self.append(addition, afterComma: needsComma, to: &rest)
      give(rest.slice, from: plain)
    }
    sent += given
    mostSent = max(mostSent, sent)
    return given
  }

  /// Begins anew from there; false where the bytes are gone.
  mutating func seek(_ offset: Int) -> Bool {
    guard (0...count).contains(offset), !kept.isEmpty else { return false }
    sent = offset
    return true
  }

  /// All is to be sent again.
  mutating func restart() { (sent, mostSent) = (0, 0) }

  /// Gives the bytes back.
  mutating func free() {
    kept.removeAll(keeping: 0)
    joined.removeAll(keeping: 0)
  }
}
