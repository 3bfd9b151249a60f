// SPDX-License-Identifier: MIT
import Addresses
import JSONText

/// The names by which a server on loopback may be called.
///
/// A page can make its own name stand for 127.0.0.1 (DNS rebinding) and is then of the same origin as we are; only
/// the `Host` that its requests name tells it from us.
package struct Hosts: Sendable {
  private let names: Set<String>

  /// - Parameter list: names that are allowed beside those of loopback, with a port or for any; `*` for all.
  package init(_ list: String = "") {
    names = Set(list.split(separator: ",").map { trimmed($0).lowercased() })
  }

  package func allows(_ host: String) -> Bool {
    guard let name = Self.name(of: host)?.lowercased() else { return false }
    // An address can't be made to stand for another one.
    return name == "localhost" || IPAddress(Self.address(in: name))?.isLoopback == true
      || names.contains("*") || names.contains(name) || names.contains(host.lowercased())
  }

  /// The name in a `Host` field, without its port; nil where it isn't well formed (RFC 9110, 7.2).
  package static func name(of host: String) -> String? {
    var name = host[...]
    let end = name.hasPrefix("[") ? name.firstIndex(of: "]").map { name.index(after: $0) } : name.firstIndex(of: ":")
    if let end {
      let rest = name[end...]
      guard rest.isEmpty || rest.first == ":" && isPort(rest.dropFirst()) else { return nil }
      name = name[..<end]
    }
    if name.hasPrefix("[") {
      // A zone is an interface of the client's, and stands in no host field.
      guard name.hasSuffix("]"), !name.contains("%"), IPAddress(Self.address(in: name)) != nil else { return nil }
      return String(name)
    }
    return !name.isEmpty && name.utf8.allSatisfy(isHostByte) ? String(name) : nil
  }

  /// What stands between the brackets, where there are any.
  private static func address(in name: some StringProtocol) -> String {
    name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : String(name)
  }
}

/// No digits stand for the scheme's own port (RFC 3986, 3.2.3).
private func isPort(_ text: Substring) -> Bool {
  text.isEmpty || text.utf8.allSatisfy(isDigit) && UInt16(text) != nil
}

func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

func isHostByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-_.") }

/// Without the spaces and tabs at both ends.
func trimmed(_ text: some StringProtocol) -> String {
  var text = text[...]
  while let last = text.last, last == " " || last == "\t" { text.removeLast() }
  return String(text.drop { $0 == " " || $0 == "\t" })
}
