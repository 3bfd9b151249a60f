// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The head of an HTTP answer, made of what `begin` or `error` and the ctx bring.
struct HTTPHead {
  private let ctx: String?
  private var status = 200
  private var headers: [(name: String, value: String)] = []

  /// How long `x-proxy-loss` may be, in bytes: proxies in front have small limits for all headers together.
  private static let maxLoss = 1024

  init(ctx: String?) { self.ctx = ctx }

  mutating func take(begin: String) {
    var begin = begin
    begin.withUTF8 { take(begin: $0) }
  }

  /// Takes an error's `{"status":…,"headers":{…}}`: whatever it says, it must not look like a success.
  mutating func take(error: ByteSlice) {
    status = 502
    take(begin: error)
    if status < 400 { status = 502 }
  }

  /// Takes `{"status":…,"headers":{…}}`.
  mutating func take(begin: ByteSlice) {
    if let number = Scan.member("status", of: begin), let status = Int(number.text), (100...599).contains(status) {
      self.status = status
    }
    if let headers = Scan.member("headers", of: begin) { take(headers: headers) }
  }

  private mutating func take(headers object: ByteSlice) {
    Scan.members(object) { key, value in
      // What frames the body is decided here, not upstream.
      guard Self.isName(key), !key.starts(with: "content-"), !key.equals("transfer-encoding"),
        !key.equals("connection"), let value = Self.headerValue(value)
      else { return true }
      set(key.text, value)
      return true
    }
  }

  private mutating func set(_ name: String, _ value: String) {
    headers.removeAll { $0.name == name }
    headers.append((name, value))
  }

  /// Writes the `http` record.
  ///
  /// - Parameter bodyLength: of the JSON body, in bytes; nil for a stream of events.
  mutating func write(of rid: ByteSlice, isBare: Bool, bodyLength: Int?, to out: inout Output) {
    guard !isBare else { return }
    if var ctx {
      ctx.withUTF8 { ctx in
        if let extra = Scan.member("headers", of: ctx) { take(headers: extra) }
        if let model = Scan.member("model", of: ctx), let effective = Scan.member("effective", of: model),
          let name = Self.headerValue(effective)
        {
          set("x-claude-model", name)
        }
        if let loss = Scan.member("loss", of: ctx), let text = Self.loss(loss) { set("x-proxy-loss", text) }
      }
    }
    if let bodyLength {
      set("content-type", "application/json")
      set("content-length", String(bodyLength))
    } else {
      set("content-type", "text/event-stream; charset=utf-8")
      set("cache-control", "no-cache")
      set("x-accel-buffering", "no")
    }
    let (status, headers) = (status, headers)
    var ctx = ctx
    func payload(_ bytes: inout Bytes) {
      bytes.append(#"{"status":"#)
      bytes.append(decimal: status)
      bytes.append(#","headers":"#)
      bytes.append(headers: headers)
      bytes.append("}")
    }
    if ctx != nil {
      ctx!.withUTF8 { out.record(.http, of: rid, isBare: false, ctx: $0, payload) }
    } else {
      out.record(.http, of: rid, isBare: false, payload)
    }
  }

  /// A lower-case header name (RFC 9110 section 5.6.2).
  private static func isName(_ key: ByteSlice) -> Bool {
    !key.isEmpty
      && key.allSatisfy {
        ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9"))
          || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }
  }

  /// A JSON string or number as a header's value; nil where it could break out of it.
  private static func headerValue(_ value: ByteSlice) -> String? {
    guard value.first == UInt8(ascii: "\"") else { return Double(value.text) == nil ? nil : value.text }
    var text = Bytes()
    guard text.append(unescaped: value.cut(1, value.count - 1)), text.slice.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
    else { return nil }
    return text.text
  }

  /// `[{"field":"temperature","fate":"clamped 1.7 to 1"}, …]` as `temperature=clamped, …`.
  ///
  /// Names and fates only. Fields that no table knows are counted: their names are the caller's own words.
  static func loss(_ entries: ByteSlice) -> String? {
    var named: [String] = []
    var unknown = 0
    Scan.elements(entries) { entry in
      guard let field = Scan.plainString(Scan.member("field", of: entry)), field.allSatisfy(isFieldByte),
        Scan.member("unknown", of: entry) == nil,
        let fate = Scan.plainString(Scan.member("fate", of: entry))
      else {
        unknown += 1
        return true
      }
      let word = fate.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
      let text = field.text + "=" + String(decoding: word, as: UTF8.self)
      if !named.contains(text) { named.append(text) }
      return true
    }
    if unknown > 0 { named.append("unknown=\(unknown)") }
    guard !named.isEmpty else { return nil }
    var text = named[0]
    for entry in named.dropFirst() where text.utf8.count + entry.utf8.count + 2 <= maxLoss { text += ", " + entry }
    return text
  }

  private static func isFieldByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"),
      UInt8(ascii: "["), UInt8(ascii: "]"):
      true
    default: false
    }
  }
}
