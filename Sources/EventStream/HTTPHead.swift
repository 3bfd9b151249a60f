// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The head of an HTTP answer, made of what `begin` or `error` and the ctx bring.
struct HTTPHead {
  private let ctx: String?
  private var status = 200
  /// In the order in which they were set; nil where one was set again later.
  private var headers: [(name: String, value: String)?] = []
  /// Where each header stands, once there are more than a few.
  private var places: [String: Int] = [:]
  /// So many are looked through one by one: that takes less than a table.
  private static let few = 16

  /// How many headers a ctx may add, and how long a value made of request data may be, in bytes: proxies in front, and
  /// clients, refuse an answer whose head is too large.
  private static let maxAdded = 64
  private static let maxValue = 1024
  private static let maxModel = 256

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

  private mutating func take(headers object: ByteSlice, atMost count: Int = .max, ofLength length: Int = .max) {
    var left = count
    Scan.members(object) { key, value in
      // What frames the body is decided here, not upstream.
      guard Self.isName(key), !key.starts(with: "content-"), !key.equals("transfer-encoding"),
        !key.equals("connection"), let value = Self.headerValue(value, ofLength: length)
      else { return true }
      guard left > 0 else { return false }
      left -= 1
      set(key.text, value)
      return true
    }
  }

  private mutating func set(_ name: String, _ value: String) {
    if let earlier = place(of: name) { headers[earlier] = nil }
    headers.append((name, value))
  }

  /// Where a header stands that is about to be set again.
  private mutating func place(of name: String) -> Int? {
    if headers.count < Self.few { return headers.firstIndex { $0?.name == name } }
    if places.isEmpty {
      for (place, header) in headers.enumerated() { if let header { places[header.name] = place } }
    }
    return places.updateValue(headers.count, forKey: name)
  }

  /// Writes the `http` record.
  ///
  /// - Parameter bodyLength: of the JSON body, in bytes; nil for a stream of events.
  mutating func write(of rid: ByteSlice, isBare: Bool, bodyLength: Int?, to out: inout Output) {
    guard !isBare else { return }
    if var ctx {
      ctx.withUTF8 { ctx in
        if let extra = Scan.member("headers", of: ctx) {
          take(headers: extra, atMost: Self.maxAdded, ofLength: Self.maxValue)
        }
        if let model = Scan.member("model", of: ctx), let effective = Scan.member("effective", of: model),
          let name = Self.headerValue(effective, ofLength: Self.maxModel)
        {
          set("x-claude-model", name)
        }
        let more = Scan.member("loss_more", of: ctx).flatMap { Int($0.text) } ?? 0
        if let text = LossHeader.value(Scan.member("loss", of: ctx), more: min(max(more, 0), 1 << 40)) {
          set("x-proxy-loss", text)
        }
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
    let (status, headers) = (status, headers.compactMap { $0 })
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

  /// A JSON string or number as a header's value, cut at a length; nil where it could break out of it.
  private static func headerValue(_ value: ByteSlice, ofLength length: Int = .max) -> String? {
    guard value.first == UInt8(ascii: "\"") else {
      return value.count > 64 || Double(value.text) == nil ? nil : value.text
    }
    var text = Bytes()
    guard text.append(unescaped: value.cut(1, value.count - 1)), text.slice.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
    else { return nil }
    return text.count > length ? text.slice.cut(0, length).text : text.text
  }
}
