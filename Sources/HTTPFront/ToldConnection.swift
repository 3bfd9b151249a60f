// SPDX-License-Identifier: MIT
import Addresses
import Glibc

/// The ends of a connection that another program holds for us, as that program tells them in the environment.
///
/// socat: <http://www.dest-unreach.org/socat/doc/socat.html>, ENVIRONMENT VARIABLES; UCSPI servers such as
/// s6-tcpserver: <https://cr.yp.to/ucspi-tcp/environment.html>.
struct ToldConnection {
  /// The client's address, and ours; nil where nothing is told.
  let peer, local: String?

  init() {
    peer = Self.address(in: ["SOCAT_PEERADDR", "TCPREMOTEIP"])
    local = Self.address(in: ["SOCAT_SOCKADDR", "TCPLOCALIP"])
  }

  private static func address(in variables: [String]) -> String? {
    for variable in variables {
      guard var text = getenv(variable).map({ String(cString: $0) }) else { continue }
      if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
      if let address = IPAddress(text) { return address.text }
    }
    return nil
  }
}
