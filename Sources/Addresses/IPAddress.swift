// SPDX-License-Identifier: MIT
import Glibc

/// An address of either family; IPv4 written as IPv6 (`::ffff:192.0.2.1`) is IPv4, and a zone is left out.
package struct IPAddress: Hashable, Sendable {
  /// 4 or 16 of them.
  package let bytes: [UInt8]

  /// How many leading bytes of an IPv6 address name a client.
  ///
  /// A provider gives each customer a network of at least 64 bits, so a single client has 2^64 addresses to use in turn.
  private static let clientBytes = 8

  private init(bytes: [UInt8]) { self.bytes = bytes }

  package init?(_ text: some StringProtocol) {
    var text = String(text)
    // A zone names one of our own interfaces (RFC 4007, 11): it says nothing about whose the address is.
    if let zone = text.utf8.firstIndex(of: UInt8(ascii: "%")) {
      guard text[..<zone].contains(":"), text.index(after: zone) < text.endIndex else { return nil }
      text = String(text[..<zone])
    }
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

  /// The address in its canonical form (RFC 5952).
  package var text: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  /// Whether it is this machine's own, and reached by this machine alone.
  package var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes.last == 1 && bytes.dropLast().allSatisfy { $0 == 0 }
  }

  /// What limits count as one client: an IPv4 address, or the network of 64 bits that an IPv6 address is in.
  package var client: String {
    guard bytes.count == 16 else { return text }
    let rest = [UInt8](repeating: 0, count: 16 - Self.clientBytes)
    return IPAddress(bytes: bytes.prefix(Self.clientBytes) + rest).text + "/64"
  }
}
