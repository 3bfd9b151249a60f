// SPDX-License-Identifier: MIT
import Addresses
import Records

/// Whose word about their clients' addresses is taken.
package struct TrustedProxies: Sendable {
  private struct Network {
    var address: IPAddress
    var bits: Int

    func contains(_ other: IPAddress) -> Bool {
      guard other.bytes.count == address.bytes.count else { return false }
      for (index, byte) in other.bytes.enumerated() {
        let left = bits - index * 8
        guard left > 0 else { return true }
        let mask = left >= 8 ? 0xFF : UInt8(truncatingIfNeeded: 0xFF << (8 - left))
        guard byte & mask == address.bytes[index] & mask else { return false }
      }
      return true
    }
  }

  private var networks: [Network] = []
  /// Clients of a unix socket, and of a connection handed to us as pipes, have no address.
  private var trustsLocal = false

  /// Nobody's.
  package static let none = TrustedProxies()

  private init() {}

  /// Takes a comma list of addresses and networks, `10.0.0.0/8`; `unix` stands for whoever has no address.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package init(_ list: String) throws(Failure) {
    for item in list.split(separator: ",") {
      let item = trimmed(item)
      guard !item.isEmpty else { continue }
      if item == "unix" {
        trustsLocal = true
        continue
      }
      let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard let address = IPAddress(String(parts[0])) else {
        throw Failure(.usage, "--trusted-proxies: \(item) is no address; expected such as 192.0.2.1 or 10.0.0.0/8")
      }
      let most = address.bytes.count * 8
      let bits = parts.count == 2 ? Int(parts[1]) ?? -1 : most
      guard (0...most).contains(bits) else {
        throw Failure(.usage, "--trusted-proxies: \(item): a network of this kind has 0 to \(most) bits")
      }
      networks.append(Network(address: address, bits: bits))
    }
  }

  package var isEmpty: Bool { networks.isEmpty && !trustsLocal }

  package func trusts(_ peer: String) -> Bool {
    guard let address = IPAddress(peer) else { return trustsLocal && peer != Peer.unknownText }
    return networks.contains { $0.contains(address) }
  }

  /// The client's address: the last one in `x-forwarded-for` that isn't a proxy's own.
  ///
  /// A header that gives none where it is looked for makes the client unknown. It is not taken for its proxy then, since
  /// a proxy on this machine would make it exempt from the limits.
  ///
  /// - Parameter forwarded: the values of the header, in their order; each proxy adds at the end, so that a client
  ///   can only make up what stands before.
  package func client(of peer: String, forwarded: [String]) -> String {
    guard !forwarded.isEmpty, trusts(peer) else { return peer }
    var client = Peer.unknownText
    for item in forwarded.joined(separator: ",").split(separator: ",").reversed() {
      guard let address = Self.address(trimmed(item)) else { return Peer.unknownText }
      client = address.text
      guard trusts(client) else { return client }
    }
    return client
  }

  /// The address without the port that some proxies write after it; nil where there is none.
  private static func address(_ text: String) -> IPAddress? {
    if let address = IPAddress(text) { return address }
    if case .address(let address) = Peer(text), Hosts.name(of: text) != nil { return address }
    return nil
  }
}
