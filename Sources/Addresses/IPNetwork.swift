// SPDX-License-Identifier: MIT

/// A network, such as `10.0.0.0/8`, or a single address.
package struct IPNetwork: Hashable, Sendable {
  /// Why a text names no network.
  package struct Invalid: Error, Equatable {
    /// The text, and what was expected.
    package let message: String
  }

  private let address: IPAddress
  /// How many leading bits of an address say that it is in the network.
  private let prefixLength: Int

  /// Reads `ADDRESS` or `ADDRESS/LENGTH`. The bits of the address behind the prefix don't matter.
  ///
  /// - Throws: ``Invalid`` where the address is none, or the length is not 0 to 32 (IPv4) or 128 (IPv6).
  package init(_ text: some StringProtocol) throws(Invalid) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(parts[0]) else {
      throw Invalid(message: "\(text): expected an address or a network, for example 192.0.2.1 or 10.0.0.0/8")
    }
    self.address = address
    let longest = address.bytes.count * 8
    guard parts.count == 2 else {
      prefixLength = longest
      return
    }
    guard let length = Self.length(parts[1]), length <= longest else {
      let example = "\(address.text)/\(longest == 32 ? 24 : 64)"
      throw Invalid(message: "\(text): expected a prefix length from 0 to \(longest), for example \(example)")
    }
    prefixLength = length
  }

  /// A number of at most three digits: `Int` would take a sign too.
  private static func length(_ text: some StringProtocol) -> Int? {
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }

  package func contains(_ other: IPAddress) -> Bool {
    guard other.bytes.count == address.bytes.count else { return false }
    for (index, byte) in other.bytes.enumerated() {
      let left = prefixLength - index * 8
      guard left > 0 else { return true }
      let mask = left >= 8 ? 0xFF : UInt8(truncatingIfNeeded: 0xFF << (8 - left))
      guard byte & mask == address.bytes[index] & mask else { return false }
    }
    return true
  }
}
