// SPDX-License-Identifier: MIT
import Glibc

/// Tells whoever runs us as a service how we are, by datagrams to the socket that `NOTIFY_SOCKET` names.
///
/// - SeeAlso: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>
struct ServiceManager {
  private let socket: Int32
  private let address: sockaddr_un
  private let length: socklen_t

  /// Nil where nobody wants to be told. The variable leaves our environment.
  static func ofEnvironment() -> ServiceManager? {
    guard let name = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return nil }
    unsetenv("NOTIFY_SOCKET")
    return ServiceManager(name)
  }

  /// - Parameter name: a path, or `@` and an abstract name; nil for all else, such as another family of sockets.
  init?(_ name: String) {
    var bytes = Array(name.utf8)
    var address = sockaddr_un()
    guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: address.sun_path),
      [UInt8(ascii: "/"), UInt8(ascii: "@")].contains(bytes[0])
    else { return nil }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 } else { bytes.append(0) }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    self.address = address
    socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return nil }
  }

  /// Sends assignments, one a line; a manager that doesn't listen is no reason to stop.
  func tell(_ assignments: String...) {
    var address = address
    let text = Array(assignments.joined(separator: "\n").utf8)
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(socket, text, text.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }

  /// What `RELOADING=1` needs beside it, so that the manager knows which of its signals is meant.
  static var monotonicTime: String {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return "MONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000)"
  }
}
