// SPDX-License-Identifier: MIT

/// The other end of a connection, as the front writes it into a record and the limits read it.
package enum Peer: Equatable, Sendable {
  /// A client with an address.
  case address(IPAddress)
  /// A client of a unix socket, which is a program of this machine.
  case unix
  /// A client of which nothing reliable is known.
  case unknown

  /// The text for a client whose address a proxy did not give in a form that can be read.
  package static let unknownText = "unknown"

  /// Reads `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, `unix` or `unix:PATH`.
  package init(_ text: String) {
    if text == "unix" || text.hasPrefix("unix:") {
      self = .unix
    } else if let address = IPAddress(Self.withoutPort(text)) {
      self = .address(address)
    } else {
      self = .unknown
    }
  }

  private static func withoutPort(_ text: String) -> Substring {
    // By bytes, which takes a fraction of the time. No address has others than those of ASCII.
    let bytes = text.utf8
    guard bytes.allSatisfy({ $0 < 0x80 }) else { return text[...] }
    if bytes.first == UInt8(ascii: "["), let end = bytes.firstIndex(of: UInt8(ascii: "]")) {
      return text[..<end].dropFirst()
    }
    let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
    guard let colon, !bytes[bytes.index(after: colon)...].contains(UInt8(ascii: ":")) else { return text[...] }
    return text[..<colon]
  }

  /// Whether it is a program of this machine. Nothing else decides what counts as local.
  package var isLocal: Bool {
    switch self {
    case .address(let address): address.isLoopback
    case .unix: true
    case .unknown: false
    }
  }

  /// The name under which limits count it. All unknown clients share one, so that nobody can make up another.
  package var client: String {
    switch self {
    case .address(let address): address.client
    case .unix: "unix"
    case .unknown: Self.unknownText
    }
  }
}
