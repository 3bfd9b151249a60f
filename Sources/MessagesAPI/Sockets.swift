// SPDX-License-Identifier: MIT
import CCurl
import CLinux
import Glibc

/// The sockets that libcurl has open, so that a kept connection can be looked at before it is used again.
///
/// libcurl names a connection by its addresses alone, before it sends a request.
final class Sockets {
  /// What tells one connection from the others: the port here, and the address there.
  private struct Ends: Hashable {
    var port: Int32
    var remote: String
  }

  private struct Open {
    var ends: Ends?
    /// The transfer whose request is on the connection.
    var transfer: Int?
    /// How many bytes had been acknowledged when that request was about to go out.
    var acknowledged: Int64 = -1
  }

  private var open: [Int32: Open] = [:]
  private var descriptors: [Ends: Int32] = [:]
  /// Called when a connection closes on which a transfer's request is: with the transfer, and whether the other side has
  /// received none of the request.
  var closing: (_ transfer: Int, _ isUnreceived: Bool) -> Void = { _, _ in }

  /// Has libcurl tell of each socket that the handle's transfers open and close.
  func watch(_ easy: UnsafeMutableRawPointer) {
    _ = ccurl_set_open_socket_callback(easy) { context, _, address in
      guard let address = address?.pointee else { return CURL_SOCKET_BAD }
      let descriptor = socket(address.family, address.socktype | Int32(SOCK_CLOEXEC.rawValue), address.protocol)
      if descriptor >= 0 { Transfer.of(context).opened(descriptor) }
      return descriptor
    }
    _ = ccurl_set_close_socket_callback(easy) { context, descriptor in
      Unmanaged<Sockets>.fromOpaque(context!).takeUnretainedValue().close(descriptor)
    }
    _ = ccurl_set_pointer(easy, CURLOPT_CLOSESOCKETDATA, Unmanaged.passUnretained(self).toOpaque())
  }

  /// A transfer has opened a socket, which may become its connection.
  func add(_ descriptor: Int32) { open[descriptor] = Open() }

  private func close(_ descriptor: Int32) -> Int32 {
    if let old = open.removeValue(forKey: descriptor) {
      if let ends = old.ends, descriptors[ends] == descriptor { descriptors[ends] = nil }
      if let transfer = old.transfer { closing(transfer, isUnreceived(descriptor, old)) }
    }
    return Glibc.close(descriptor)
  }

  /// The socket of a connection; nil where it isn't known.
  ///
  /// - Parameter opened: those that the transfer has opened; else it is on a connection that was kept.
  func descriptor(port: Int32, remote: UnsafePointer<CChar>?, among opened: [Int32]) -> Int32? {
    let ends = Ends(port: port, remote: remote.map { String(cString: $0) } ?? "")
    for descriptor in opened where open[descriptor] != nil && Self.port(of: descriptor) == port {
      open[descriptor]?.ends = ends
      descriptors[ends] = descriptor
      return descriptor
    }
    return descriptors[ends]
  }

  private static func port(of descriptor: Int32) -> Int32 {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard getsockname(descriptor, address, &length) == 0 else { return -1 }
        // The port stands at the same place in both families' addresses.
        return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
          Int32(UInt16(bigEndian: $0.pointee.sin_port))
        }
      }
    }
  }

  /// Whether nothing waits on the connection: neither bytes that nobody asked for, nor its end.
  static func isQuiet(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) < 0 && errno == EAGAIN
  }

  /// A transfer's request is about to go out on the connection.
  func begin(_ transfer: Int, on descriptor: Int32) {
    open[descriptor]?.transfer = transfer
    open[descriptor]?.acknowledged = clinux_acknowledged(descriptor)
  }

  /// The transfer is over, or has left the connection.
  func end(_ transfer: Int, on descriptor: Int32) {
    if open[descriptor]?.transfer == transfer { open[descriptor]?.transfer = nil }
  }

  /// Whether the other side can't have received anything of the request that is on the connection: it has acknowledged
  /// nothing since. That is certain only where true.
  func isUnreceived(on descriptor: Int32) -> Bool { open[descriptor].map { isUnreceived(descriptor, $0) } ?? false }

  private func isUnreceived(_ descriptor: Int32, _ state: Open) -> Bool {
    state.acknowledged >= 0 && clinux_acknowledged(descriptor) == state.acknowledged
  }
}
