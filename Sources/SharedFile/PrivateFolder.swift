// SPDX-License-Identifier: MIT
import Glibc
import Records

/// A folder for this user alone, such as `RUN_DIR`. It is made if it is missing, and its owner and mode are checked.
package enum PrivateFolder {
  private static let mustBe = "must be a directory of this user's with mode 0700"
  /// How many bytes are written to try a folder. A full file system may still have room for an empty file.
  private static let trial = 4_096

  /// Makes the folder, and those above it, if they are missing. A logout removes such folders, and so do programs that
  /// clean up old files.
  ///
  /// - Throws: ``Failure`` of kind `system` where it can't be made, of kind `configuration` where it is not private.
  package static func make(_ path: String) throws(Failure) {
    if mkdir(path, 0o700) != 0, errno == ENOENT {
      makeAbove(path)
      mkdir(path, 0o700)
    }
    let code = errno
    var status = stat()
    guard lstat(path, &status) == 0 else { throw failure("\(path) can't be made", code) }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw Failure(.configuration, "\(path) \(mustBe)")
    }
  }

  /// Makes the folders above a file or folder, for this user alone; what fails shows when the file itself is made.
  package static func makeAbove(_ path: String) {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
    let folder = String(path[..<slash])
    if mkdir(folder, 0o700) == 0 || errno != ENOENT { return }
    makeAbove(folder)
    mkdir(folder, 0o700)
  }

  /// Makes the folder where it is missing, and writes a file in it that is removed again.
  ///
  /// - Throws: ``Failure``, as ``make(_:)`` does; also where the file system is full or read-only.
  package static func check(_ path: String) throws(Failure) {
    try make(path)
    // The name is unique, because other processes use the folder too.
    var name = Array("\(path)/check-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw failure("no file can be made in \(path)", errno) }
    unlink(name)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    defer { close(descriptor) }
    let bytes = [UInt8](repeating: 0, count: trial)
    let count = write(descriptor, bytes, bytes.count)
    guard count == bytes.count else { throw failure("no file can be written in \(path)", count < 0 ? errno : ENOSPC) }
  }

  /// The text of a failure for a health answer, without any path of this machine.
  package static func fault(_ error: Failure) -> String {
    "RUN_DIR can't be used: \(error.errno.map { String(cString: strerror($0)) } ?? "it \(mustBe)")"
  }

  private static func failure(_ what: String, _ code: Int32) -> Failure {
    Failure(.system, "\(what): \(String(cString: strerror(code)))", errno: code)
  }
}
