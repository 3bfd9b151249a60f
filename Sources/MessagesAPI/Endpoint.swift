// SPDX-License-Identifier: MIT
import CCurl
import JSONText
import Records

/// Where the Messages API is.
package struct Endpoint: Equatable, Sendable {
  package static let vendor = "https://api.anthropic.com"

  /// Without a slash at its end.
  package let base: String
  package let isTLS: Bool

  /// - Throws: of kind ``Failure/Kind/configuration`` unless it is an http or https URL of a host, and perhaps a port
  ///   and a path. The message doesn't repeat it: someone may have put a password in it.
  package init(_ text: String) throws(Failure) {
    func refuse(_ reason: String) -> Failure {
      Failure(.configuration, "ANTHROPIC_BASE_URL \(reason); expected http:// or https://, a host and perhaps a path")
    }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { throw refuse("holds what stands in no URL") }
    if let fault = ccurl_load() {
      throw Failure(.unavailable, "libcurl can't be loaded: \(String(cString: fault))")
    }
    guard let url = ccurl_url() else { throw Failure(.system, "out of memory") }
    defer { ccurl_url_cleanup(url) }
    // Without a scheme libcurl would guess one.
    guard ccurl_url_set(url, CURLUPART_URL, text, UInt32(CURLU_NON_SUPPORT_SCHEME)) == CURLUE_OK else {
      throw refuse("is no absolute URL")
    }
    func part(_ part: CURLUPart) -> String? {
      var value: UnsafeMutablePointer<CChar>?
      guard ccurl_url_get(url, part, &value, 0) == CURLUE_OK, let value else { return nil }
      defer { ccurl_free(value) }
      return String(cString: value)
    }
    let scheme = part(CURLUPART_SCHEME) ?? ""
    guard scheme == "http" || scheme == "https" else { throw refuse("has the scheme \(scheme)") }
    // libcurl forgives a slash too many.
    guard part(CURLUPART_HOST)?.isEmpty == false, !text.dropFirst(scheme.count).hasPrefix(":///") else {
      throw refuse("names no host")
    }
    guard part(CURLUPART_USER) == nil, part(CURLUPART_PASSWORD) == nil else { throw refuse("holds a user's name") }
    guard part(CURLUPART_QUERY) == nil, part(CURLUPART_FRAGMENT) == nil, !text.utf8.contains(UInt8(ascii: "?")),
      !text.utf8.contains(UInt8(ascii: "#"))
    else { throw refuse("has a query or a fragment") }
    isTLS = scheme == "https"
    var base = Substring(text)
    while base.last == "/" { base = base.dropLast() }
    self.base = String(base)
  }

  /// The URL that an operation asks.
  ///
  /// - Parameter modelID: the inside of a JSON string.
  /// - Throws: 404 for the operation `model` without a name that may stand in a path.
  package func url(_ operation: Operation, modelID: ByteSlice?) throws(APIError) -> String {
    switch operation {
    case .messages, .health, .other: return base + "/v1/messages"
    case .countTokens: return base + "/v1/messages/count_tokens"
    case .models: return base + "/v1/models?limit=1000"
    case .model:
      var name = Bytes()
      guard let modelID, modelID.count <= HTTPLimits.maxModelID, name.append(unescaped: modelID), !name.isEmpty,
        !name.slice.equals("."),
        !name.slice.equals("..")
      else {
        throw APIError(
          status: 404, "model: \(modelID.map { $0.cut(0, min($0.count, HTTPLimits.maxModelID)).text } ?? "")",
          param: "model_id")
      }
      var url = Bytes()
      url.append(text: base)
      url.append("/v1/models/")
      url.append(percentEncoded: name.slice)
      return url.text
    }
  }
}

extension Bytes {
  /// Appends text as one segment of a URL's path: all but RFC 3986's unreserved characters escaped.
  package mutating func append(percentEncoded text: ByteSlice) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10 }
    for byte in text {
      if byte.isLetterOrDigit(or: "-._~") {
        append(byte)
      } else {
        append(UInt8(ascii: "%"))
        append(digit(byte >> 4))
        append(digit(byte & 15))
      }
    }
  }
}
