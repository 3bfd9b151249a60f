// SPDX-License-Identifier: MIT
import Glibc
import Records

/// An address of either family; IPv4 written as IPv6 (`::ffff:192.0.2.1`) is IPv4.
package struct IPAddress: Hashable, Sendable {
  /// 4 or 16 of them.
  let bytes: [UInt8]

  package init?(_ text: String) {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 {
      self.bytes = Array(bytes[..<4])
    } else if inet_pton(AF_INET6, text, &bytes) == 1 {
      let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
      self.bytes = isMapped ? Array(bytes[12...]) : bytes
    } else {
      return nil
    }
  }

  /// As it is written, in its shortest form.
  var text: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  package var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes.last == 1 && bytes.dropLast().allSatisfy { $0 == 0 }
  }
}

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

  package func trusts(_ peer: String) -> Bool {
    guard let address = IPAddress(peer) else { return trustsLocal }
    return networks.contains { $0.contains(address) }
  }

  /// The client's address: the last one in `x-forwarded-for` that isn't a proxy's own.
  ///
  /// - Parameter forwarded: the values of the header, in their order; each proxy adds at the end, so that a client
  ///   can only make up what stands before.
  package func client(of peer: String, forwarded: [String]) -> String {
    var client = peer
    guard !forwarded.isEmpty, trusts(peer) else { return peer }
    for item in forwarded.joined(separator: ",").split(separator: ",").reversed() {
      guard let address = Self.address(trimmed(item)) else { return client }
      client = address
      guard trusts(client) else { return client }
    }
    return client
  }

  /// The address without the port that some proxies write after it; nil where there is none.
  private static func address(_ text: String) -> String? {
    if IPAddress(text) != nil { return text }
    guard let name = Hosts.name(of: text) else { return nil }
    let bare = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : name
    return IPAddress(bare) == nil ? nil : bare
  }
}
