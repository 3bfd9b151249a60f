// SPDX-License-Identifier: MIT
import Jansson
import JSONText

/// A URL as far as it matters here. Schemes, media types and `base64` have no case.
///
/// - SeeAlso: RFC 3986 section 3.1, RFC 2397
enum DataURL {
  case web(JSON)
  /// The data is base64 in the form that the Messages API takes; nil where what came is none.
  case data(type: String, base64: JSON?)
  case other

  init(_ url: JSON) {
    switch Self.scheme(of: url) {
    case ("http", let isPlain)?, ("https", let isPlain)?: self = .web(isPlain ? url : Self.plain(url))
    case ("data", let isPlain)?: self = Self.data(isPlain ? url : Self.plain(url))
    default: self = .other
    }
  }

  /// The scheme in lower case, and whether the text begins with it as it is.
  private static func scheme(of url: JSON) -> (String, isPlain: Bool)? {
    let found = url.withStoredText { text -> (String, isPlain: Bool)? in
      // The longest that matters is https, with white space before it.
      guard let colon = text.cut(0, min(text.count, 32)).offset(of: UInt8(ascii: ":")) else { return nil }
      let written = text.cut(0, colon).text
      let scheme = written.split(whereSeparator: \.isWhitespace).joined().lowercased()
      return (scheme, scheme == written)
    }
    return found ?? nil
  }

  /// The URL without white space around it, its scheme in lower case.
  private static func plain(_ url: JSON) -> JSON {
    let text = url.string ?? ""
    let inner = text.drop(while: \.isWhitespace)
    let colon = inner.firstIndex(of: ":") ?? inner.endIndex
    var made = inner[..<colon].lowercased() + inner[colon...]
    while made.last?.isWhitespace == true { made.removeLast() }
    return JSON(made)
  }

  private static func data(_ url: JSON) -> DataURL {
    // The head is short; the data after the comma may be many megabytes, and is only handed on.
    guard let (head, rest) = url.split(at: UInt8(ascii: ",")) else { return .other }
    let words = head.dropFirst(5).split(separator: ";", omittingEmptySubsequences: false).map {
      $0.split(whereSeparator: \.isWhitespace).joined().lowercased()
    }
    let type = words[0]
    guard words.dropFirst().contains("base64") else {
      let data = rest.withUTF8 { text in percentDecoded(text).withUnsafeBufferPointer { Base64.encode($0) } }
      return .data(type: type.isEmpty ? "text/plain" : type, base64: data)
    }
    if let base64 = Base64.accepted(rest) { return .data(type: type, base64: base64) }
    let decoded = rest.withUTF8 { JSON(String(decoding: percentDecoded($0), as: UTF8.self)) }
    return .data(type: type, base64: decoded.flatMap { Base64.accepted($0) })
  }

  private static func percentDecoded(_ text: ByteSlice) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var at = 0
    while at < text.count {
      if text[at] == UInt8(ascii: "%"), at + 2 < text.count, let high = hexValue(text[at + 1]),
        let low = hexValue(text[at + 2])
      {
        bytes.append(high << 4 | low)
        at += 3
      } else {
        bytes.append(text[at])
        at += 1
      }
    }
    return bytes
  }
}
