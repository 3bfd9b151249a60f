// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import NIOCore
import Records

/// A listening socket at a path, which belongs to this server alone as long as it runs.
///
/// A file beside it, `PATH.lock`, is locked meanwhile: of two servers that start at once only one gets the path. A socket
/// at which no server listens any more is replaced. One at which a server listens never is.
final class UnixSocket {
  let descriptor: Int32
  let path: String
  private let lock: Int32
  /// Which file we have made; at the end another one may stand in its place.
  private let made: (device: dev_t, inode: ino_t)
  private var isRemoved = false

  /// - Parameter mode: the permissions of the socket's file.
  /// - Throws: ``Failure`` of kind `unavailable`.
  init(path: String, mode: mode_t) throws(Failure) {
    let address: SocketAddress
    do {
      address = try SocketAddress(unixDomainSocketPath: path)
    } catch {
      throw Failure(.unavailable, "can't listen at unix:\(path): \(error)")
    }
    let lock = try Self.lock(path)
    do throws(Failure) {
      if try Self.checkFree(path, address) { unlink(path) }
      descriptor = try Self.bind(path, address, mode)
    } catch {
      unlink(path + ".lock")
      close(lock)
      throw error
    }
    var status = stat()
    lstat(path, &status)
    (self.path, self.lock, made) = (path, lock, (status.st_dev, status.st_ino))
  }

  /// Takes the file away, if it is still the one that was made here.
  func remove() {
    guard !isRemoved else { return }
    isRemoved = true
    var status = stat()
    if lstat(path, &status) == 0, status.st_dev == made.device, status.st_ino == made.inode { unlink(path) }
    // Another server that waits for the lock looks whether its file is still there.
    unlink(path + ".lock")
    close(lock)
  }

  /// Whether somebody could listen at a path now.
  ///
  /// - Throws: ``Failure`` of kind `unavailable`.
  static func check(_ path: String) throws(Failure) {
    let address: SocketAddress
    do {
      address = try SocketAddress(unixDomainSocketPath: path)
    } catch {
      throw Failure(.unavailable, "can't listen at unix:\(path): \(error)")
    }
    _ = try checkFree(path, address)
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard access(folder, W_OK | X_OK) == 0 else { throw failure(path, errno) }
  }

  private static func failure(_ path: String, _ number: Int32, _ reason: String? = nil) -> Failure {
    let reason = reason ?? String(cString: strerror(number))
    return Failure(.unavailable, "can't listen at unix:\(path): \(reason)", errno: number)
  }

  private static func lock(_ path: String) throws(Failure) -> Int32 {
    let name = path + ".lock"
    while true {
      let lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard lock >= 0 else { throw failure(path, errno, "\(name): \(String(cString: strerror(errno)))") }
      guard clinux_lock_byte(lock, 0) == 0 else {
        close(lock)
        throw failure(path, EADDRINUSE, "Address already in use: another server holds \(name)")
      }
      var (ours, there) = (stat(), stat())
      // The one before us may have removed it in between.
      if fstat(lock, &ours) == 0, lstat(name, &there) == 0, ours.st_ino == there.st_ino, ours.st_dev == there.st_dev {
        return lock
      }
      close(lock)
    }
  }

  /// - Returns: whether a socket is there that nobody listens at any more.
  private static func checkFree(_ path: String, _ address: SocketAddress) throws(Failure) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0 else { return false }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw failure(path, EEXIST, "the file is not a socket") }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw failure(path, errno) }
    defer { close(probe) }
    let result = address.withSockAddr { connect(probe, $0, socklen_t($1)) }
    // Anything but a refusal means that somebody has it: so does a queue that is full.
    guard result != 0, errno == ECONNREFUSED else { throw failure(path, EADDRINUSE) }
    return true
  }

  private static func bind(_ path: String, _ address: SocketAddress, _ mode: mode_t) throws(Failure) -> Int32 {
    let made = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard made >= 0 else { throw failure(path, errno) }
    // The file has its mode from the first moment on; there is no other thread that makes files meanwhile.
    let old = umask(0o777 & ~mode)
    let result = address.withSockAddr { Glibc.bind(made, $0, socklen_t($1)) }
    let number = errno
    umask(old)
    guard result == 0 else {
      close(made)
      throw failure(path, number)
    }
    return made
  }
}
