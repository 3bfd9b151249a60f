// SPDX-License-Identifier: MIT
import Addresses
import Records

/// Whose word about their clients' addresses is taken.
package struct TrustedProxies: Sendable {
  private var networks: [IPNetwork] = []
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
      do throws(IPNetwork.Invalid) {
        networks.append(try IPNetwork(item))
      } catch {
        throw Failure(.usage, "--trusted-proxies \(error.message)")
      }
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
