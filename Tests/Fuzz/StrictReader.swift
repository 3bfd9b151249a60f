// SPDX-License-Identifier: MIT

/// A request as the strictest reading of RFC 9112 has it: where two readers could differ, it is none.
struct StrictRequest {
  var method = ""
  var target = ""
  var isOld = false
  var headers: [(name: String, value: String)] = []
  var trailers: [(name: String, value: String)] = []
  var body: [UInt8] = []

  func values(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }

  /// The members of a list header, in lower case.
  func list(_ name: String) -> [String] {
    values(name).flatMap { $0.split(separator: ",") }.map { strictlyTrimmed($0.lowercased()) }
  }

  /// Whether another request may follow.
  var keepsConnection: Bool {
    let connection = list("connection")
    if connection.contains("close") || isOld && !connection.contains("keep-alive") { return false }
    return !(connection.contains("upgrade") && !values("upgrade").isEmpty)
  }
}

/// Reads the requests of a connection's bytes, all at once, and knows nothing of the server's own reader.
struct StrictReader {
  /// Those that are whole.
  private(set) var requests: [StrictRequest] = []
  /// Bytes that are no request, or not a whole one, stand behind them.
  private(set) var hasRest = false
  /// How many bytes follow, from the first byte that belongs to no whole request.
  private(set) var restCount = 0

  private let bytes: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    while true {
      // A client may send line ends too many behind a body (2.2).
      while at < bytes.count, bytes[at] == 0x0D || bytes[at] == 0x0A { at += 1 }
      guard at < bytes.count else { return }
      restCount = bytes.count - at
      guard let request = request() else { break }
      restCount = 0
      requests.append(request)
      guard request.keepsConnection else { return }
    }
    hasRest = true
  }

  private mutating func request() -> StrictRequest? {
    var request = StrictRequest()
    guard let line = line(), line.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { return nil }
    // Between the words there may be more than one space (3).
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard line.first != 0x20, line.last != 0x20, words.count == 3, words[0].utf8.allSatisfy(isToken) else { return nil }
    (request.method, request.target) = (String(words[0]), String(words[1]))
    switch words[2] {
    case "HTTP/1.1": break
    case "HTTP/1.0": request.isOld = true
    // The same form, of a protocol that llhttp reads as well.
    case "RTSP/1.1": break
    case "RTSP/1.0": request.isOld = true
    default: return nil
    }
    guard let headers = fields() else { return nil }
    request.headers = headers
    guard let body = body(of: &request) else { return nil }
    request.body = body
    return request
  }

  /// The bytes up to the next CR LF; nil where there is none, or a CR or LF alone before it.
  private mutating func line() -> ArraySlice<UInt8>? {
    guard let end = bytes[at...].firstIndex(where: { $0 == 0x0D || $0 == 0x0A }), bytes[end] == 0x0D,
      end + 1 < bytes.count, bytes[end + 1] == 0x0A
    else { return nil }
    defer { at = end + 2 }
    return bytes[at..<end]
  }

  /// The headers, or the trailers, and the empty line behind them.
  private mutating func fields() -> [(name: String, value: String)]? {
    var fields: [(name: String, value: String)] = []
    while let line = line() {
      if line.isEmpty { return fields }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
        line[..<colon].allSatisfy(isToken),
        line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
      else { return nil }
      fields.append(
        (
          String(decoding: line[..<colon], as: UTF8.self).lowercased(),
          strictlyTrimmed(String(decoding: line[(colon + 1)...], as: UTF8.self))
        ))
    }
    return nil
  }

  private mutating func body(of request: inout StrictRequest) -> [UInt8]? {
    let codings = request.values("transfer-encoding")
    let lengths = request.values("content-length")
    guard codings.isEmpty else {
      guard codings.map({ $0.lowercased() }) == ["chunked"], lengths.isEmpty, !request.isOld else { return nil }
      return chunks(of: &request)
    }
    guard !lengths.isEmpty else { return [] }
    guard lengths.count == 1, !lengths[0].isEmpty, lengths[0].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
      let length = Int(lengths[0]), length <= bytes.count - at
    else { return nil }
    defer { at += length }
    return Array(bytes[at..<at + length])
  }

  private mutating func chunks(of request: inout StrictRequest) -> [UInt8]? {
    var body: [UInt8] = []
    while let line = line() {
      let digits = line.prefix { $0 != UInt8(ascii: ";") }
      guard !digits.isEmpty, digits.allSatisfy(isHexDigit),
        let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
        // An extension says nothing; but it has to be one line.
        line[digits.endIndex...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
      else { return nil }
      guard size > 0 else {
        guard let trailers = fields() else { return nil }
        request.trailers = trailers
        return body
      }
      guard size <= bytes.count - at - 2, bytes[at + size] == 0x0D, bytes[at + size + 1] == 0x0A else { return nil }
      body += bytes[at..<at + size]
      at += size + 2
    }
    return nil
  }
}

private func isHexDigit(_ byte: UInt8) -> Bool {
  byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66
}

/// RFC 9110, 5.6.2.
private func isToken(_ byte: UInt8) -> Bool {
  byte > 0x20 && byte < 0x7F && !#""(),/:;<=>?@[\]{}"#.utf8.contains(byte)
}

func strictlyTrimmed(_ text: String) -> String {
  func isSpace(_ scalar: UnicodeScalar) -> Bool { scalar == " " || scalar == "\t" }
  var scalars = text.unicodeScalars[...]
  while let first = scalars.first, isSpace(first) { scalars.removeFirst() }
  while let last = scalars.last, isSpace(last) { scalars.removeLast() }
  return String(scalars)
}
