// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The head of an upstream's answer, taken line by line: the status, and the headers that are handed on.
package struct AnswerHead: ~Copyable {
  private(set) var status = 0
  /// The empty line has come.
  private(set) var isComplete = false
  private(set) var isEventStream = false
  /// The body comes in chunks of HTTP/1.
  private(set) var isChunked = false
  /// There is no body, so what follows in the same read is lost without a word.
  private(set) var isWithoutBody = false
  /// How long the connection will be kept without a request, in seconds, as the upstream says.
  package private(set) var keepAlive: Int?
  /// All lines so far: earlier heads and trailers count too.
  private var length = 0
  /// The lines exceed ``HTTPLimits/maxHead``.
  var isTooLong: Bool { length > HTTPLimits.maxHead }
  /// What the upstream says of another try, if it does.
  private(set) var shouldRetry: Bool?
  private var retry = RetryAfter()
  /// When to try again, in milliseconds.
  var retryAfter: Int? { retry.milliseconds }
  private var isHTTP1 = false
  /// The members of a JSON object.
  private var headers = Bytes()

  /// The headers handed on, besides those that begin with ``rateLimits``: the rest is the upstream's own affair.
  private static let allowed: [StaticString] = ["request-id", "retry-after", "retry-after-ms", "x-should-retry"]
  private static let rateLimits: StaticString = "anthropic-ratelimit-"

  package init() {}

  /// Takes one line of the head with its end, the status line and the empty one among them.
  package mutating func take(_ line: ByteSlice) {
    length += line.count
    if line.starts(with: "HTTP/") { return begin(line) }
    var end = line.count
    while end > 0, Scan.isSpace(line[end - 1]) { end -= 1 }
    guard end > 0 else {
      // Behind a 1xx head comes the real one.
      isComplete = status >= 200
      return
    }
    guard !isComplete, let colon = line.offset(of: UInt8(ascii: ":")) else { return }
    let start = Scan.skipSpace(line, colon + 1)
    take(line.cut(0, colon), line.cut(start, max(start, end)))
  }

  private mutating func begin(_ line: ByteSlice) {
    headers.removeAll()
    (isComplete, isEventStream, shouldRetry, retry) = (false, false, nil, RetryAfter())
    (isChunked, keepAlive, isHTTP1) = (false, nil, line.starts(with: "HTTP/1"))
    let words = line.text.split(separator: " ", maxSplits: 2)
    status = words.count > 1 ? Int(words[1].prefix { $0.isNumber }) ?? 0 : 0
    isWithoutBody = status == 204 || status == 304
  }

  private mutating func take(_ name: ByteSlice, _ value: ByteSlice) {
    var lower = Bytes(capacity: name.count)
    for byte in name { lower.append(byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte) }
    retry.take(lower.slice, value)
    if lower.slice.equals("x-should-retry") {
      shouldRetry = value.equals("true") ? true : value.equals("false") ? false : nil
    }
    if isHTTP1, takeFraming(lower.slice, value) { return }
    if lower.slice.equals("content-type") {
      isEventStream = value.text.lowercased().hasPrefix("text/event-stream")
    } else if Self.allowed.contains(where: { lower.slice.equals($0) }) || lower.slice.starts(with: Self.rateLimits) {
      guard headers.count + name.count + value.count < HTTPLimits.maxHeaders,
        lower.slice.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), value.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
      else { return }
      if !headers.isEmpty { headers.append(",") }
      headers.append(quoted: lower.slice)
      headers.append(":")
      headers.append(quoted: value)
    }
  }

  /// Takes a header that says how the body ends, or how long the connection stays; false where it is another one.
  private mutating func takeFraming(_ name: ByteSlice, _ value: ByteSlice) -> Bool {
    guard name.count >= 10 else { return false }
    if name.equals("transfer-encoding") {
      // As libcurl looks for it: any of the encodings, in any of the headers.
      isChunked =
        isChunked || value.equals("chunked")
        || value.text.lowercased().split(separator: ",").contains { $0.trimmed == "chunked" }
    } else if name.equals("content-length") {
      isWithoutBody = isWithoutBody || value.first == UInt8(ascii: "0") && value.allSatisfy { $0 == UInt8(ascii: "0") }
    } else if name.equals("keep-alive") {
      for word in value.text.lowercased().split(separator: ",") where word.trimmed.hasPrefix("timeout=") {
        keepAlive = Int(word.trimmed.dropFirst(8))
      }
    } else {
      return false
    }
    return true
  }

  /// Appends `{"status":…,"headers":{…}`, open at its end.
  func append(status: Int? = nil, to bytes: inout Bytes) {
    bytes.append(#"{"status":"#)
    bytes.append(decimal: status ?? self.status)
    bytes.append(#","headers":{"#)
    bytes.append(headers.slice)
    bytes.append("}")
  }
}

extension Substring {
  /// Without the white space of a header's value around it.
  fileprivate var trimmed: Substring {
    var text = drop { $0 == " " || $0 == "\t" }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }
}
