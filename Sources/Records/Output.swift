// SPDX-License-Identifier: MIT
import JSONText

/// What a program has to say: records for stdout, and notes for the operator.
///
/// Records of a request that came bare are written bare: the payload alone, and nothing for records that carry no
/// body (`begin`, `end`, `http`).
package struct Output: ~Copyable {
  /// A line for the log.
  package struct Note: Equatable, Sendable {
    package enum Level: String, Sendable { case debug, info, warning, error }
    package var level: Level
    package var message: String
    package var rid: String?
  }

  /// The bytes to be written; a filter that must be fast appends whole records here.
  package var bytes = Bytes()
  package var notes: [Note] = []
  /// Lines of the input that are handed on as they stand there, each with its LF; they come before ``bytes``.
  package private(set) var lent = ByteSlice(start: nil, count: 0)
  /// The part of the input whose lines may be lent: it stays in its place until the output is handed over.
  var lendable = ByteSlice(start: nil, count: 0)

  package init() {}

  /// It keeps a large buffer, with nothing in it.
  package var keepsMuch: Bool { bytes.isEmpty && bytes.room > Limits.ownBuffer }

  /// Gives back the large buffer that it keeps.
  package mutating func giveBack() {
    if keepsMuch { bytes.removeAll(keeping: Limits.ownBuffer) }
  }

  package mutating func note(_ level: Note.Level, _ message: String, rid: ByteSlice? = nil) {
    notes.append(Note(level: level, message: message, rid: rid?.text))
  }

  /// Hands a line on as the bytes that came; of a bare one, only what stood in the input.
  package mutating func forward(_ line: Line) {
    if line.isBare {
      switch line.kind {
      case .begin, .end, .http: return
      case .error: return bytes.append(Scan.member("body", of: line.payload) ?? line.payload, "\n")
      default: break
      }
    }
    if !lendable.isEmpty, bytes.isEmpty, !line.isBare, lend(line.bytes) { return }
    bytes.append(line.bytes)
    bytes.append(UInt8(ascii: "\n"))
  }

  /// Lends a line with the LF after it; false where it stands elsewhere, or not after the last one that was lent.
  private mutating func lend(_ line: ByteSlice) -> Bool {
    guard let start = line.baseAddress, let from = lendable.baseAddress, start >= from,
      start + line.count < from + lendable.count, start[line.count] == UInt8(ascii: "\n")
    else { return false }
    if lent.isEmpty {
      lent = ByteSlice(start: start, count: line.count + 1)
    } else {
      guard let first = lent.baseAddress, first + lent.count == start else { return false }
      lent = ByteSlice(start: first, count: lent.count + line.count + 1)
    }
    return true
  }

  /// The lines that were lent have been handed over.
  mutating func takeBack() { lent = ByteSlice(start: nil, count: 0) }

  /// Writes one record, its payload by `payload`.
  package mutating func record(
    _ kind: Line.Kind, of rid: ByteSlice, isBare: Bool, ctx: ByteSlice? = nil, _ payload: (inout Bytes) -> Void
  ) {
    if isBare {
      switch kind {
      case .request, .event, .response:
        payload(&bytes)
        bytes.append(UInt8(ascii: "\n"))
      default: break
      }
      return
    }
    head(kind, of: rid, ctx: ctx)
    payload(&bytes)
    bytes.append("}\n")
  }

  private mutating func head(_ kind: Line.Kind, of rid: ByteSlice, ctx: ByteSlice?) {
    bytes.append(#"{"rid":""#)
    bytes.append(rid)
    bytes.append(#"",""#)
    if let ctx {
      bytes.append(#"ctx":"#)
      bytes.append(ctx)
      bytes.append(#",""#)
    }
    bytes.append(Line.key(of: kind))
    bytes.append(#"":"#)
  }

  /// Writes one record of a request whose name was kept.
  package mutating func record(
    _ kind: Line.Kind, of id: RequestID, ctx: ByteSlice? = nil, _ payload: (inout Bytes) -> Void
  ) {
    var text = id.text
    text.withUTF8 { record(kind, of: $0, isBare: id.isBare, ctx: ctx, payload) }
  }

  /// Writes an `error` record.
  package mutating func error(
    _ error: APIError, of rid: ByteSlice, isBare: Bool, ctx: ByteSlice? = nil
  ) {
    if isBare {
      bytes.append(body: error, requestID: nil)
      bytes.append(UInt8(ascii: "\n"))
      return
    }
    record(.error, of: rid, isBare: false, ctx: ctx) { $0.append(payload: error, requestID: rid) }
  }

  package mutating func error(_ error: APIError, of id: RequestID, ctx: ByteSlice? = nil) {
    var text = id.text
    text.withUTF8 { self.error(error, of: $0, isBare: id.isBare, ctx: ctx) }
  }

  /// Refuses a request: `error` and `end`.
  package mutating func refuse(_ line: Line, _ error: APIError) {
    self.error(error, of: line.rid, isBare: line.isBare, ctx: line.ctx)
    end(line.rid, isBare: line.isBare)
  }

  package mutating func end(_ rid: ByteSlice, isBare: Bool) {
    record(.end, of: rid, isBare: isBare) { $0.append("{}") }
  }

  package mutating func end(_ id: RequestID) {
    record(.end, of: id) { $0.append("{}") }
  }
}
