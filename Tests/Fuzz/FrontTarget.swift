// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records

/// A client's bytes, through the front, become what the strictest reader finds in them, or are refused.
func front(_ input: ByteSlice) {
  let bytes = Array(input)
  let whole = Conversation(bytes, cuts: [])
  let inPieces = Conversation(bytes, cuts: cuts(of: bytes))
  let read = StrictReader(bytes)
  if !areSame(whole.answers, inPieces.answers, rest: read.restCount) { broken("a cut changes nothing", input) }

  guard whole.answers.count <= read.requests.count + (read.hasRest ? 1 : 0) else {
    broken("there are no more answers than requests", input)
  }
  for (index, answer) in whole.answers.enumerated() {
    check(answer)
    guard let record = answer.record else { continue }
    guard index < read.requests.count else { broken("what isn't a whole request makes no record", input) }
    if let reason = refusal(of: read.requests[index]) { broken("a record of a request that \(reason)", input) }
    check(record, of: read.requests[index])
  }
}

/// Whether two ways to cut the same bytes have the same answers.
///
/// Only a head that is both malformed and too large may be refused for either fault. The decoder counts the bytes of a
/// target or header when it ends, or when the piece at hand ends, and so a cut decides which of the two it meets first.
///
/// - Parameter rest: how many bytes stand after the last whole request.
private func areSame(_ one: [Conversation.Answer], _ other: [Conversation.Answer], rest: Int) -> Bool {
  if one == other { return true }
  guard rest > Conversation.maxHeader, one.count == other.count, one.dropLast() == other.dropLast(),
    let last = one.last, let otherLast = other.last
  else { return false }
  return last.isMalformed && otherLast.isTooLarge || last.isTooLarge && otherLast.isMalformed
}

/// A few places, anywhere, that depend on all of the input.
private func cuts(of bytes: [UInt8]) -> [Int] {
  // FNV-1a.
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  var cuts: Set<Int> = []
  for _ in 0..<hash % 8 + 1 where bytes.count > 1 {
    hash = hash &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    cuts.insert(Int(hash >> 33) % (bytes.count - 1) + 1)
  }
  return cuts.sorted()
}

/// An error is one that both vendors' clients read.
private func check(_ answer: Conversation.Answer) {
  guard answer.status >= 400, !answer.body.isEmpty else { return }
  answer.body.withUnsafeBufferPointer { body in
    guard isValid(body), !body.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { broken("an error is JSON", body) }
    let error = Scan.member("error", of: body)
    guard let error, keys(of: error) == ["type", "message", "param", "code"],
      keys(of: body) == ["type", "error", "request_id"],
      Scan.member("request_id", of: body)?.text == answer.id.map({ "\"" + $0 + "\"" })
    else { broken("an error has the form of both", body) }
  }
}

private func check(_ record: [UInt8], of request: StrictRequest) {
  record.withUnsafeBufferPointer { record in
    guard record.last == 0x0A, !record.dropLast().contains(where: { $0 == 0x0A || $0 == 0x0D }) else {
      broken("a record is one line", record)
    }
    let line = record.cut(0, record.count - 1)
    guard isValid(line), line.starts(with: #"{"rid":""#), keys(of: line) == ["rid", "ctx", "request"],
      let scanned = Line(scanning: line), scanned.form == .record, scanned.kind == .request
    else { broken("a record has its rid, its ctx and one payload", record) }
    let body = request.method == "POST" ? request.body.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 } : Array("null".utf8)
    guard Array(scanned.payload) == body.trimmed else { broken("the body is the client's", record) }
    guard let http = scanned.ctx.flatMap({ Scan.member("http", of: $0) }),
      Scan.member("method", of: http)?.text == "\"\(request.method)\""
    else { broken("the method is the client's", record) }
  }
}

extension [UInt8] {
  /// Without the spaces at both ends, which a scan of a record passes over.
  fileprivate var trimmed: [UInt8] {
    var slice = self[...]
    while slice.first == 0x20 || slice.first == 0x09 { slice.removeFirst() }
    while slice.last == 0x20 || slice.last == 0x09 { slice.removeLast() }
    return Array(slice)
  }
}

private func keys(of object: ByteSlice) -> [String] {
  var keys: [String] = []
  Scan.members(object) { key, _ in
    keys.append(key.text)
    return true
  }
  return keys
}

/// Why a request, though it is whole, must not reach the pipeline; written anew, from the papers.
private func refusal(of request: StrictRequest) -> String? {
  var path = request.target
  var hosts = request.values("host")
  if let scheme = path.firstRange(of: "://"), !path.hasPrefix("/") {
    guard ["http", "https"].contains(path[..<scheme.lowerBound].lowercased()) else { return "has another scheme" }
    let rest = path[scheme.upperBound...]
    let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
    hosts.append(String(rest[..<end]))
    path = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
  }
  if path.contains("#") { return "has a fragment" }
  path = String(path.prefix { $0 != "?" })
  let known = ["/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions", "/openai/v1/chat/completions"]
  let asked = [
    "/v1/models", "/openai/v1/models", "/health", "/health/ready", "/health/detailed", "/metrics",
  ]
  // Empty segments and prefixes that are written twice count for nothing.
  var parts = path.split(separator: "/")
  let vendors = Set(parts.prefix { ["v1", "openai", "anthropic"].contains($0) }).subtracting(["v1"])
  let hasPrefix = parts.first.map { ["v1", "openai", "anthropic"].contains($0) } ?? false
  while let first = parts.first, ["v1", "openai", "anthropic"].contains(first) { parts.removeFirst() }
  let bare = parts.joined(separator: "/")
  if vendors.count > 1 { return "names two APIs" }
  let plain = hasPrefix || ["chat", "messages", "models"].contains(parts.first ?? "")
  path =
    (vendors.contains("openai") || !hasPrefix && parts.first == "chat" ? "/openai" : "") + (plain ? "/v1/" : "/") + bare
  let isID =
    (path.hasPrefix("/v1/models/") || path.hasPrefix("/openai/v1/models/")) && ![".", ".."].contains(parts.last)
  switch request.method {
  case "POST": if !known.contains(path) { return "has no route" }
  case "GET", "HEAD": if !asked.contains(path), !isID { return "has no route" }
  default: return "has no method of ours"
  }
  if request.values("host").count > 1 || request.values("host").isEmpty && !request.isOld { return "has not one host" }
  if Set(hosts.map { $0.lowercased() }).count > 1 { return "has two hosts" }
  if let host = hosts.first?.lowercased() {
    var address = [UInt8](repeating: 0, count: 16)
    let name = host.hasPrefix("[") ? host.prefix { $0 != "]" } + "]" : host.prefix { $0 != ":" }
    let numbers = name.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    var isLoopback = numbers.count == 4 && numbers[0] == 127 && !numbers.contains(nil)
    if name.hasPrefix("["), inet_pton(AF_INET6, String(name.dropFirst().dropLast()), &address) == 1 {
      let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 127]
      isLoopback = address == [UInt8](repeating: 0, count: 15) + [1] || address.starts(with: mapped)
    }
    guard name == "localhost" || isLoopback else { return "is for another host" }
    let port = host.dropFirst(name.count)
    guard port.isEmpty || port == ":" || port.first == ":" && UInt16(port.dropFirst()) != nil else {
      return "has no port"
    }
  }
  for origin in request.values("origin")
  where !hosts.contains(where: { origin.lowercased().hasSuffix("://" + $0.lowercased()) }) {
    return "is from another page"
  }
  if request.values("origin").count > 1 { return "is from two pages" }
  if request.list("expect").contains(where: { $0 != "100-continue" }) { return "expects another thing" }
  let names = (request.headers + request.trailers).map(\.name)
  if names.contains("content_length") || names.contains("transfer_encoding") { return "hides its length" }
  if request.trailers.contains(where: { ["host", "content-length", "authorization", "x-api-key"].contains($0.name) }) {
    return "has its head behind its body"
  }
  guard request.method == "POST" else { return nil }
  let types = request.values("content-type")
  guard types.count == 1, types[0].lowercased().hasPrefix("application/json") || types[0].lowercased().contains("+json")
  else { return "is not said to be JSON" }
  if request.list("content-encoding").contains(where: { $0 != "identity" }) { return "is encoded" }
  return request.body.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "{") ? nil : "is no object"
}
