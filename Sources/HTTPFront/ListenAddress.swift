// SPDX-License-Identifier: MIT
import Addresses
import NIOCore
import Records

/// A place to listen at: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/front.sock`.
package enum ListenAddress: Equatable, Sendable {
  case ip(host: String, port: Int)
  case unix(path: String)

  /// Whether only programs of this machine can come by it, over TCP.
  package var isLoopback: Bool {
    if case .ip(let host, _) = self { IPAddress(host)?.isLoopback ?? false } else { false }
  }

  /// Whether other machines may reach it.
  package var isOpenToOthers: Bool {
    if case .ip = self { !isLoopback } else { false }
  }

  /// As it is written on a command line.
  package var text: String {
    switch self {
    case .ip(let host, let port): (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
    case .unix(let path): "unix:" + path
    }
  }

  /// - Throws: ``Failure`` of kind `usage`.
  package init(_ text: String) throws(Failure) {
    if text.hasPrefix("unix:"), text.utf8.count > 5 {
      self = .unix(path: String(text.dropFirst(5)))
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      throw Failure(.usage, "--listen \(text): expected ADDRESS:PORT or unix:PATH")
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw Failure(.usage, "--listen \(text): an IPv6 address stands in brackets: [::1]:8000")
    }
    if host == "localhost" { host = "127.0.0.1" }
    guard (try? SocketAddress(ipAddress: host, port: Int(port))) != nil else {
      throw Failure(.usage, "--listen \(text): \(host.isEmpty ? "nothing" : host) is not an IP address")
    }
    self = .ip(host: host, port: Int(port))
  }
}
