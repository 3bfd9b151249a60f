// SPDX-License-Identifier: MIT
import Addresses
import Records

/// Clients that the rate limit does not apply to.
package struct Exemptions: Sendable {
  /// Names of keys, `loopback`, and the names that ``Peer/client`` has for clients without an address.
  private var names: Set<String> = []
  private var networks: [IPNetwork] = []

  /// - Parameter list: names of keys, addresses and networks. `loopback` stands for the peers of this machine that show
  ///   no key, unix sockets among them.
  /// - Throws: ``Failure`` of kind `usage` where a network is invalid.
  package init(_ list: [String]) throws(Failure) {
    for item in list {
      // No name of a key has a slash.
      let isNetwork = item.contains("/")
      if !isNetwork { names.insert(item) }
      guard isNetwork || IPAddress(item) != nil else { continue }
      do throws(IPNetwork.Invalid) {
        networks.append(try IPNetwork(item))
      } catch {
        throw Failure(.usage, "--exempt \(error.message)")
      }
    }
  }

  func covers(key: String) -> Bool { names.contains(key) }

  func covers(_ peer: Peer) -> Bool {
    if names.contains("loopback"), peer.isLocal { return true }
    guard case .address(let address) = peer else { return names.contains(peer.client) }
    return networks.contains { $0.contains(address) }
  }
}
