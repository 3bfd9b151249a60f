// SPDX-License-Identifier: MIT

/// What a request line asks for (RFC 9112, 3.2): a path, a whole URL, or `*`.
package struct RequestTarget: Equatable {
  /// The host and the port in a URL, which is how proxies are asked; nil where there is none.
  package var authority: String?
  package var path: String
  package var query: String?
  /// Whether it is one of the forms that a server is asked with; the path of another is the whole of it.
  package var isWellFormed = true

  package init(_ uri: String) {
    var rest = uri[...]
    if !uri.utf8.starts(with: "/".utf8), uri != "*" {
      let scheme = uri.prefix { $0 != ":" && $0 != "/" }
      rest = rest[scheme.endIndex...]
      guard ["http", "https"].contains(scheme.lowercased()), rest.hasPrefix("://") else {
        (path, isWellFormed) = (uri, false)
        return
      }
      rest = rest.dropFirst(3)
      let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
      authority = String(rest[..<end])
      rest = rest[end...]
    }
    // A fragment is the client's alone (RFC 9110, 7.1).
    isWellFormed = !rest.utf8.contains(UInt8(ascii: "#"))
    let mark = rest.firstIndex(of: "?") ?? rest.endIndex
    path = mark == rest.startIndex ? "/" : String(rest[..<mark])
    if mark < rest.endIndex { query = String(rest[rest.index(after: mark)...]) }
  }
}
