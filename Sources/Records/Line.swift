// SPDX-License-Identifier: MIT
import JSONText

/// One line of the pipe, as a scan of its envelope shows it.
///
/// `{"rid":"…","ctx":{…},"KIND":PAYLOAD}`: the scan finds the parts and decodes none of them. The payload is not
/// checked to be JSON; who decodes it finds out, who splices it passes it on as it came.
///
/// Its slices point into the reader's buffer: valid while the line is being taken, not after.
package struct Line {
  /// The payload's key.
  package enum Kind: UInt8 {
    case request, cancel, begin, event, response, error, end, http, data
    /// A key that this version doesn't know: forwarded as it came.
    case other
  }

  package enum Form {
    case record
    /// Not a record but a body alone.
    case bare
    /// Began as a record and isn't one, or has its rid in another place than the first.
    case broken
  }

  package var form: Form
  package var kind: Kind
  /// The whole line without its LF.
  package var bytes: ByteSlice
  /// The inside of the `rid` string, escapes and all.
  package var rid: ByteSlice
  /// The `ctx` object, where there is one.
  package var ctx: ByteSlice?
  package var payload: ByteSlice

  package var isBare: Bool { form == .bare }

  /// The request's name, to be kept beyond the line.
  package var id: RequestID { RequestID(text: rid.text, isBare: isBare) }

  package init(form: Form, kind: Kind, bytes: ByteSlice, rid: ByteSlice, ctx: ByteSlice?, payload: ByteSlice) {
    self.form = form
    self.kind = kind
    self.bytes = bytes
    self.rid = rid
    self.ctx = ctx
    self.payload = payload
  }

  private static var empty: ByteSlice { ByteSlice(start: nil, count: 0) }

  /// Scans a line; nil for one of white space alone.
  package init?(scanning line: ByteSlice) {
    var end = line.count
    while end > 0, Scan.isSpace(line[end - 1]) { end -= 1 }
    let start = Scan.skipSpace(line, 0)
    guard start < end else { return nil }
    let bytes = line.cut(start, end)
    self.init(form: .bare, kind: .other, bytes: bytes, rid: Self.empty, ctx: nil, payload: bytes)

    guard var at = Self.key("rid", in: bytes, at: 1, opening: true) else {
      findMisplacedName()
      return
    }
    form = .broken
    guard at < end, let endOfRid = Self.string(in: bytes, at: at) else { return }
    rid = bytes.cut(at + 1, endOfRid - 1)
    at = Scan.skipSpace(bytes, endOfRid)
    guard at < bytes.count, bytes[at] == UInt8(ascii: ",") else { return }
    at = Scan.skipSpace(bytes, at + 1)
    if let value = Self.key("ctx", in: bytes, at: at, opening: false) {
      guard value < bytes.count, bytes[value] == UInt8(ascii: "{"), let endOfContext = Scan.endOfValue(bytes, value)
      else { return }
      ctx = bytes.cut(value, endOfContext)
      at = Scan.skipSpace(bytes, endOfContext)
      guard at < bytes.count, bytes[at] == UInt8(ascii: ",") else { return }
      at = Scan.skipSpace(bytes, at + 1)
    }
    guard let endOfKey = Self.string(in: bytes, at: at) else { return }
    let key = bytes.cut(at + 1, endOfKey - 1)
    at = Scan.skipSpace(bytes, endOfKey)
    guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return }
    at = Scan.skipSpace(bytes, at + 1)
    var endOfPayload = bytes.count - 1
    guard bytes[endOfPayload] == UInt8(ascii: "}") else { return }
    while endOfPayload > at, Scan.isSpace(bytes[endOfPayload - 1]) { endOfPayload -= 1 }
    guard endOfPayload > at else { return }
    payload = bytes.cut(at, endOfPayload)
    kind = Self.kind(key)
    form = .record
  }

  /// Takes what has its rid in another place for a record that some filter has spoilt: no body has such a member.
  private mutating func findMisplacedName() {
    guard let name = Scan.plainString(Scan.member("rid", of: bytes)), !name.isEmpty else { return }
    form = .broken
    rid = name
    ctx = Scan.member("ctx", of: bytes).flatMap { $0.first == UInt8(ascii: "{") ? $0 : nil }
  }

  private static func string(in bytes: ByteSlice, at: Int) -> Int? {
    guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
    return Scan.endOfString(bytes, at)
  }

  /// The offset of the value, where the next key is that one.
  private static func key(_ name: StaticString, in bytes: ByteSlice, at: Int, opening: Bool) -> Int? {
    if opening, bytes[0] != UInt8(ascii: "{") { return nil }
    var at = Scan.skipSpace(bytes, at)
    let length = name.utf8CodeUnitCount
    guard at + length + 2 < bytes.count, bytes[at] == UInt8(ascii: "\""), bytes.starts(with: name, at: at + 1),
      bytes[at + 1 + length] == UInt8(ascii: "\"")
    else { return nil }
    at = Scan.skipSpace(bytes, at + length + 2)
    guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return nil }
    return Scan.skipSpace(bytes, at + 1)
  }

  private static func kind(_ key: ByteSlice) -> Kind {
    switch key.count {
    case 3: key.equals("end") ? .end : .other
    case 4: key.equals("data") ? .data : key.equals("http") ? .http : .other
    case 5: key.equals("event") ? .event : key.equals("begin") ? .begin : key.equals("error") ? .error : .other
    case 6: key.equals("cancel") ? .cancel : .other
    case 7: key.equals("request") ? .request : .other
    case 8: key.equals("response") ? .response : .other
    default: .other
    }
  }

  /// The name of a payload's key.
  package static func key(of kind: Kind) -> StaticString {
    switch kind {
    case .request: "request"
    case .cancel: "cancel"
    case .begin: "begin"
    case .event: "event"
    case .response: "response"
    case .error: "error"
    case .end: "end"
    case .http: "http"
    case .data: "data"
    case .other: "other"
    }
  }
}

/// Which request a record belongs to.
package struct RequestID: Hashable, Sendable {
  /// The inside of the `rid` string as it stands in the records, escapes and all.
  package var text: String
  /// The request came as a bare body, and is answered with bare bodies.
  package var isBare: Bool

  package init(text: String, isBare: Bool = false) {
    self.text = text
    self.isBare = isBare
  }
}
