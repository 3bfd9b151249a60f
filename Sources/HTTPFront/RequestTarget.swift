// SPDX-License-Identifier: MIT

/// What a request line asks for (RFC 9112, 3.2): a path, a whole URL, or `*`.
package struct RequestTarget: Equatable {
  /// The host and the port in a URL, which is how proxies are asked; nil where there is none.
  package var authority: String?
  package var path: String
  package var query: String?
  /// Whether it is one of the forms that a server is asked with; the path of another is the whole of it.
  package var isWellFormed = true

  // By bytes: characters cost as much as all the rest of a small request.
  package init(_ uri: String) {
    var rest = uri.utf8[...]
    if rest.first != UInt8(ascii: "/"), uri != "*" {
      let scheme = rest.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/") }
      rest = rest[scheme.endIndex...]
      guard ["http", "https"].contains(String(Substring(scheme)).lowercased()), rest.starts(with: "://".utf8) else {
        (path, isWellFormed) = (uri, false)
        return
      }
      rest = rest.dropFirst(3)
      let end =
        rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
        ?? rest.endIndex
      authority = String(Substring(rest[..<end]))
      rest = rest[end...]
    }
    // A fragment is the client's alone (RFC 9110, 7.1).
    isWellFormed = !rest.contains(UInt8(ascii: "#"))
    let mark = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
    path = mark == rest.startIndex ? "/" : String(Substring(rest[..<mark]))
    if mark < rest.endIndex { query = String(Substring(rest[rest.index(after: mark)...])) }
  }
}
