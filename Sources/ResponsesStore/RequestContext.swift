// SPDX-License-Identifier: MIT
import JSONText

/// The members of a ctx that the store needs.
struct RequestContext {
  /// The owner of the rows that the request may see: `=` and the name of the client's token, or "" without a token.
  private(set) var owner = ""
  /// Microseconds since the epoch; 0 if the time is not known.
  private(set) var time = 0
  private(set) var query: ByteSlice?

  init(_ ctx: ByteSlice?) {
    guard let http = ctx.flatMap({ Scan.member("http", of: $0) }) else { return }
    var (owner, time, query) = ("", 0, ByteSlice?.none)
    Scan.members(http) { key, value in
      if key.equals("key") {
        if let name = JSONString.text(of: value), !name.isEmpty { owner = "=" + name }
      } else if key.equals("time") {
        if let number = Int(value.text), Self.times.contains(number) { time = number }
      } else if key.equals("query") {
        query = value
      }
      return true
    }
    (self.owner, self.time, self.query) = (owner, time, query)
  }

  /// The valid times. Sums of a time and the longest `--keep` must fit into an integer.
  private static let times = 0...(1 << 60)

  /// The parameters of the query, decoded, in their order.
  var parameters: [(name: String, value: String)] {
    guard let text = query.flatMap({ JSONString.text(of: $0) }) else { return [] }
    return text.utf8.split(separator: UInt8(ascii: "&")).map { part in
      let halves = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      return (Self.decoded(halves[0]), halves.count > 1 ? Self.decoded(halves[1]) : "")
    }
  }

  private static func decoded(_ text: Substring.UTF8View) -> String {
    let text = Array(text)
    var bytes: [UInt8] = []
    var at = 0
    while at < text.count {
      let byte = text[at]
      if byte == UInt8(ascii: "%"), at + 2 < text.count,
        let number = UInt8(String(decoding: text[at + 1...at + 2], as: UTF8.self), radix: 16)
      {
        bytes.append(number)
        at += 3
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
        at += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The members of a request's body that the store needs. If a member comes twice, the last one counts, as in parsers.
struct RequestMembers {
  private(set) var input: ByteSlice?
  private(set) var previous: ByteSlice?
  private(set) var store: ByteSlice?
  private(set) var background: ByteSlice?
  private(set) var conversation: ByteSlice?

  /// Nil if the body is not an object.
  init?(_ body: ByteSlice) {
    var found = (
      input: ByteSlice?.none, previous: ByteSlice?.none, store: ByteSlice?.none, background: ByteSlice?.none,
      conversation: ByteSlice?.none
    )
    let isObject = Scan.members(body) { key, value in
      if JSONString.isKey(key, "input") { found.input = value }
      if JSONString.isKey(key, "previous_response_id") { found.previous = value }
      if JSONString.isKey(key, "store") { found.store = value }
      if JSONString.isKey(key, "background") { found.background = value }
      if JSONString.isKey(key, "conversation") { found.conversation = value }
      return true
    }
    guard isObject else { return nil }
    (input, previous) = (Self.given(found.input), Self.given(found.previous))
    (store, background) = (Self.given(found.store), Self.given(found.background))
    conversation = Self.given(found.conversation)
  }

  private static func given(_ value: ByteSlice?) -> ByteSlice? {
    value.flatMap { $0.equals("null") ? nil : $0 }
  }

  /// Whether resp2anth will refuse the request, so that nothing must be looked up for it.
  var isRefused: Bool { background?.equals("true") == true || conversation != nil }
}
