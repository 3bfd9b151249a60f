// SPDX-License-Identifier: MIT
import CCurl
import JSONText
import Records

/// What of the client's headers goes upstream: the API's version and the betas, nothing else.
package struct ClientHeaders: Hashable, Sendable {
  /// The version of the API that is asked for where the client names none.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/versioning>
  package static let defaultVersion = "2023-06-01"

  package private(set) var version = defaultVersion
  package private(set) var betas: String?

  /// - Throws: 400 where a header's value can't be one, naming the header.
  package init(ctx: ByteSlice?) throws(APIError) {
    guard let http = ctx.flatMap({ Scan.member("http", of: $0) }), let headers = Scan.member("headers", of: http)
    else { return }
    if let value = Scan.member("anthropic-version", of: headers) {
      guard let text = Self.text(value), text.utf8.count <= HTTPLimits.maxBeta, text.utf8.allSatisfy(Self.isNameByte)
      else { throw .invalid("anthropic-version: expected a date such as \(Self.defaultVersion)") }
      if !text.isEmpty { version = text }
    }
    if let value = Scan.member("anthropic-beta", of: headers) {
      guard let text = Self.text(value), text.utf8.count <= HTTPLimits.maxBetas else { throw Self.badBeta }
      betas = try Self.betas(text)
    }
  }

  private static let badBeta = APIError.invalid(
    "anthropic-beta: expected names of letters, digits, '-', '_' and '.', with commas between")

  /// The list with each name once, in its order; nil where there is none.
  package static func betas(_ header: String) throws(APIError) -> String? {
    var names: [Substring] = []
    for piece in header.split(separator: ",") {
      var name = piece.drop { $0 == " " || $0 == "\t" }
      while name.last == " " || name.last == "\t" { name = name.dropLast() }
      guard !name.isEmpty else { continue }
      guard name.utf8.count <= HTTPLimits.maxBeta, name.utf8.allSatisfy(isNameByte) else { throw badBeta }
      if !names.contains(name) { names.append(name) }
    }
    return names.isEmpty ? nil : names.joined(separator: ",")
  }

  private static func text(_ value: ByteSlice) -> String? {
    guard value.count >= 2, value[0] == UInt8(ascii: "\"") else { return nil }
    var text = Bytes()
    return text.append(unescaped: value.cut(1, value.count - 1)) ? text.text : nil
  }

  private static func isNameByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-_.") }
}

/// The headers of requests, as libcurl takes them; shared by all requests that have the same.
final class HeaderList {
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ client: ClientHeaders, _ credentials: Credentials, hasBody: Bool) {
    // A name with nothing behind the colon takes libcurl's own header away.
    var headers = ["accept:", "expect:", "anthropic-version: \(client.version)"]
    if hasBody { headers.append("content-type: application/json") }
    if let betas = client.betas { headers.append("anthropic-beta: \(betas)") }
    for header in headers + credentials.headers { list = ccurl_slist_append(list, header) ?? list }
  }

  deinit { ccurl_slist_free_all(list) }
}
