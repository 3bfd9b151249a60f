// SPDX-License-Identifier: MIT
import Glibc
import SharedFile

/// The identity of the file at a path.
struct FileIdentity: Equatable {
  private let device: dev_t
  private let inode: ino_t

  /// Nil if the path has no file.
  init?(_ path: String) {
    var found = stat()
    guard lstat(path, &found) == 0 else { return nil }
    self.init(found)
  }

  private init(_ found: stat) { (device, inode) = (found.st_dev, found.st_ino) }

  /// Finds the file, or makes an empty file and its folder, which only the owner can read.
  ///
  /// Call it only while this process has no connection to the file: closing a descriptor of it would drop the locks.
  init(making path: String) throws(Trouble) {
    var file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    if file < 0, errno == ENOENT {
      PrivateFolder.makeAbove(path)
      file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    }
    guard file >= 0 else { throw Trouble(errno: errno, "it can't be opened") }
    defer { close(file) }
    var found = stat()
    guard fstat(file, &found) == 0, found.st_mode & S_IFMT == S_IFREG else {
      throw Trouble(.foreign, "it is no ordinary file")
    }
    // SQLite gives the log and the shared memory the same mode.
    if found.st_mode & 0o077 != 0, fchmod(file, 0o600) != 0 {
      throw Trouble(errno: errno, "it can't be made readable by its owner alone")
    }
    self.init(found)
  }
}

/// Holds a lock on the folder of a file, so that one process at a time makes that file or renames it.
final class FolderLock {
  private let folder: Int32

  /// - Parameter patience: how long to wait for another process, in milliseconds.
  init(of path: String, patience: Int32) throws(Trouble) {
    let name = Self.folder(of: path)
    var folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder < 0, errno == ENOENT {
      PrivateFolder.makeAbove(path)
      folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard folder >= 0 else { throw Trouble(errno: errno, "its folder can't be opened") }
    var left = patience
    while flock(folder, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      guard code == EWOULDBLOCK || code == EINTR, left > 0 else {
        close(folder)
        throw code == EWOULDBLOCK
          ? Trouble(.locked, "its folder is locked by another process")
          : Trouble(errno: code, "its folder can't be locked")
      }
      usleep(5_000)
      left -= 5
    }
    self.folder = folder
  }

  deinit { close(folder) }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The name, without its folder, of the newest file that was renamed because it was damaged.
  static func newestDamaged(of path: String) -> String? {
    guard let entries = opendir(folder(of: path)) else { return nil }
    defer { closedir(entries) }
    let start = (path.split(separator: "/").last.map(String.init) ?? path) + ".damaged-"
    var newest: String?
    while let entry = readdir(entries) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name.hasPrefix(start), !name.hasSuffix("-wal"), name > newest ?? "" else { continue }
      newest = name
    }
    return newest
  }
}
