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
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") { return text[..<end].dropFirst() }
    let colon = text.firstIndex(of: ":")
    guard let colon, !text[text.index(after: colon)...].contains(":") else { return text[...] }
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
