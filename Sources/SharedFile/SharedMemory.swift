// SPDX-License-Identifier: MIT
import Glibc
import Records

/// Memory that processes share by a file, or that is one's own; locked for each look.
///
/// A process that dies leaves its last look half done at worst: what is in the memory must bear that.
package struct SharedMemory {
  package let base: UnsafeMutableRawPointer
  /// The file's descriptor; nil for memory of one's own.
  package let file: Int32?
  /// Whether it was made just now, and so is all zeros.
  package let isNew: Bool

  /// Maps zeros, or what others have left in the file.
  ///
  /// - Parameters:
  ///   - path: of the file, made where there is none, for us alone; nil for memory of one's own.
  ///   - size: in bytes.
  /// - Throws: ``Failure`` of kind `system`.
  package init(path: String?, size: Int) throws(Failure) {
    var file: Int32?
    var isNew = true
    if let path {
      let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
      var descriptor = open(path, flags, 0o600)
      // Its folder may have been removed since the server started: a logout does, and so do sweepers of old files.
      if descriptor < 0, errno == ENOENT {
        PrivateFolder.makeAbove(path)
        descriptor = open(path, flags, 0o600)
      }
      guard descriptor >= 0 else { throw Self.failure(path, "can't be opened", errno) }
      var status = stat()
      isNew = fstat(descriptor, &status) == 0 && status.st_size == 0
      // A hole that the disk has no room for would kill whoever writes to it first.
      let error = posix_fallocate(descriptor, 0, off_t(size))
      guard error == 0 else { throw Self.failure(path, "can't have \(size) bytes", error) }
      file = descriptor
    }
    let flags = file == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
    guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, file ?? -1, 0), memory != MAP_FAILED else {
      throw Self.failure(path ?? "memory", "can't be mapped", errno)
    }
    base = memory
    self.file = file
    self.isNew = isNew
  }

  /// Does something while no other process is at the same.
  package func locked<R>(_ body: () -> R) -> R {
    guard let file else { return body() }
    while flock(file, LOCK_EX) != 0, errno == EINTR {}
    defer { _ = flock(file, LOCK_UN) }
    return body()
  }

  private static func failure(_ path: String, _ what: String, _ code: Int32) -> Failure {
    Failure(.system, "\(path) \(what): \(String(cString: strerror(code)))", errno: code)
  }
}
