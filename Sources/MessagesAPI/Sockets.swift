// SPDX-License-Identifier: MIT
import CCurl
import CLinux
import Glibc
import JSONText

/// The sockets that libcurl has open, so that a kept connection can be looked at before it is used again.
///
/// libcurl names a connection by its addresses alone, before it sends a request.
final class Sockets {
  private struct Open {
    var isOpen = false
    /// The connection's name, once it stands.
    var name: UInt64?
    /// The transfer whose request is on the connection.
    var transfer: Int?
    /// How many bytes had been acknowledged when that request was about to go out.
    var acknowledged: Int64 = -1
  }

  /// By the descriptors' numbers, which are small.
  private var open: [Open] = []
  private var descriptors: [UInt64: Int32] = [:]
  /// Called when a connection closes on which a transfer's request is: with the transfer, and whether the other side has
  /// received none of the request.
  var closing: (_ transfer: Int, _ isUnreceived: Bool) -> Void = { _, _ in }
  /// Called before a socket is closed that ``isOpen(_:)``.
  var leaving: (_ descriptor: Int32) -> Void = { _ in }

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
  func add(_ descriptor: Int32) {
    if isOpen(descriptor) { leaving(descriptor) }
    while open.count <= Int(descriptor) { open.append(Open()) }
    open[Int(descriptor)] = Open(isOpen: true)
  }

  private func close(_ descriptor: Int32) -> Int32 {
    if let old = state(of: descriptor) {
      leaving(descriptor)
      open[Int(descriptor)] = Open()
      if let name = old.name, descriptors[name] == descriptor { descriptors[name] = nil }
      if let transfer = old.transfer { closing(transfer, isUnreceived(descriptor, old)) }
    }
    return Glibc.close(descriptor)
  }

  /// Whether it is one of libcurl's sockets whose closing is reported.
  func isOpen(_ descriptor: Int32) -> Bool { Int(descriptor) < open.count && open[Int(descriptor)].isOpen }

  private func state(of descriptor: Int32) -> Open? {
    guard Int(descriptor) < open.count, open[Int(descriptor)].isOpen else { return nil }
    return open[Int(descriptor)]
  }

  /// What tells a connection from the others: the port here, and the address there.
  private static func name(port: Int32, remote: UnsafePointer<CChar>?) -> UInt64 {
    let text = UnsafeRawBufferPointer(start: remote, count: remote.map { strlen($0) } ?? 0)
    return UInt64(hashing: text.assumingMemoryBound(to: UInt8.self)) << 16 | UInt64(UInt16(truncatingIfNeeded: port))
  }

  /// The socket of a connection; nil where it isn't known.
  ///
  /// - Parameter opened: those that the transfer has opened; else it is on a connection that was kept.
  func descriptor(port: Int32, remote: UnsafePointer<CChar>?, among opened: [Int32]) -> Int32? {
    let name = Self.name(port: port, remote: remote)
    for descriptor in opened where state(of: descriptor) != nil && Self.port(of: descriptor) == port {
      open[Int(descriptor)].name = name
      descriptors[name] = descriptor
      return descriptor
    }
    return descriptors[name]
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

  /// What waits on an idle connection.
  enum Waiting { case nothing, bytes, end }

  /// Looks what waits on a connection, and leaves it there.
  static func waiting(on descriptor: Int32) -> Waiting {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    if count > 0 { return .bytes }
    return count < 0 && errno == EAGAIN ? .nothing : .end
  }

  /// A transfer's request is about to go out on the connection.
  func begin(_ transfer: Int, on descriptor: Int32) {
    guard state(of: descriptor) != nil else { return }
    open[Int(descriptor)].transfer = transfer
    open[Int(descriptor)].acknowledged = clinux_acknowledged(descriptor)
  }

  /// The transfer is over, or has left the connection.
  func end(_ transfer: Int, on descriptor: Int32) {
    if state(of: descriptor)?.transfer == transfer { open[Int(descriptor)].transfer = nil }
  }

  /// Whether the other side can't have received anything of the request that is on the connection: it has acknowledged
  /// nothing since. That is certain only where true.
  func isUnreceived(on descriptor: Int32) -> Bool {
    state(of: descriptor).map { isUnreceived(descriptor, $0) } ?? false
  }

  private func isUnreceived(_ descriptor: Int32, _ state: Open) -> Bool {
    state.acknowledged >= 0 && clinux_acknowledged(descriptor) == state.acknowledged
  }
}
