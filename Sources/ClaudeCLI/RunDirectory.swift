// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records
import SharedFile

/// The private files of one process: nobody else can read them, and they go when it goes.
///
/// `RUN_DIR/claude-exec-PID-RANDOM/`, locked as long as the process lives: so the next one can tell what a dead one
/// left, whatever the pid is by then, and sweeps it.
package final class RunDirectory {
  /// Where children work: empty, and the same for all, because its name goes upstream with a login's reminders.
  package let neutral: String
  /// Called when it was made again: what ran in the old one has no working directory any more.
  package var remade: () -> Void = {}
  private let base: String
  private let path: String
  private var lock: Int32 = -1
  private var lastFolder = 0
  private static let prefix = "claude-exec-"

  /// - Throws: of kind ``Failure/Kind/configuration`` where `base` is not a directory of ours with mode 0700.
  package init(under base: String) throws(Failure) {
    self.base = base
    neutral = "\(base)/empty"
    path = "\(base)/\(Self.prefix)\(getpid())-\(UniqueID.make().prefix(8))"
    try make()
  }

  private func make() throws(Failure) {
    try PrivateFolder.make(base)
    try PrivateFolder.make(neutral)
    // Nobody sweeps between the making of a directory and its locking.
    let gate = open("\(base)/claude-exec.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard gate >= 0, flock(gate, LOCK_EX) == 0 else { throw Self.failure("\(base)/claude-exec.lock can't be locked") }
    defer { close(gate) }
    Self.sweep(base)
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.failure("\(path) can't be made") }
    let made = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
    guard made >= 0 else { throw Self.failure("\(path) can't be locked") }
    // That of a directory which was removed holds nothing any more.
    if lock >= 0 { close(lock) }
    lock = made
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw Self.failure("\(path) can't be locked") }
  }

  /// Makes it again where someone has removed it: a logout does, and so do sweepers of old files.
  package func ensure() throws(Failure) {
    var status = stat()
    guard lstat(path, &status) != 0 || lstat(neutral, &status) != 0 else { return }
    try make()
    remade()
  }

  /// Looks whether files can be written in it: it may be gone for good, full, or read-only by now.
  package func check() throws(Failure) {
    try ensure()
    try PrivateFolder.check(path)
  }

  deinit { close(lock) }

  /// The path of a file that only we can read.
  package func write(_ bytes: borrowing Bytes, named name: String) throws(Failure) -> String {
    try ensure()
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw Self.failure("\(file) can't be made") }
    defer { close(descriptor) }
    let slice = bytes.slice
    var at = 0
    while at < slice.count {
      let count = Glibc.write(descriptor, slice.baseAddress! + at, slice.count - at)
      if count >= 0 {
        at += count
      } else if errno != EINTR {
        let failure = Self.failure("\(file) can't be written")
        unlink(file)
        throw failure
      }
    }
    return file
  }

  package func remove(_ file: String) { unlink(file) }

  /// A new folder for what one child writes of its own accord.
  package func makeFolder() throws(Failure) -> ChildFolder {
    try ensure()
    lastFolder += 1
    let folder = ChildFolder(path: "\(path)/\(lastFolder)")
    for place in [folder.path, folder.temporary] where mkdir(place, 0o700) != 0 {
      throw Self.failure("\(place) can't be made")
    }
    return folder
  }

  package func remove(_ folder: ChildFolder) { Self.removeTree(folder.path) }

  /// Removes the directory and what is in it.
  package func removeAll() { Self.removeTree(path) }

  /// Removes what processes left that are no more.
  private static func sweep(_ base: String) {
    for name in names(in: base) where name.hasPrefix(prefix) {
      let left = "\(base)/\(name)"
      let descriptor = open(left, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { removeTree(left) }
    }
  }

  /// Removes a directory and all that is in it; a link is removed, and never followed.
  private static func removeTree(_ name: String, in parent: Int32 = AT_FDCWD) {
    let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard folder >= 0 else { return }
    if let listing = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 0)) {
      for entry in names(of: listing) where unlinkat(folder, entry, 0) != 0 { removeTree(entry, in: folder) }
    }
    close(folder)
    unlinkat(parent, name, AT_REMOVEDIR)
  }

  static func names(in folder: String) -> [String] { opendir(folder).map { names(of: $0) } ?? [] }

  private static func names(of listing: OpaquePointer) -> [String] {
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  private static func failure(_ what: String) -> Failure {
    let code = errno
    return Failure(.system, "\(what): \(String(cString: strerror(code)))", errno: code)
  }
}

/// Where one child writes what it keeps for itself, so that it goes with it.
package struct ChildFolder {
  /// Its configuration, where it must not be the owner's.
  package let path: String
  package var temporary: String { "\(path)/tmp" }
}

/// Random names that nobody can guess.
package enum UniqueID {
  /// A UUID of version 4.
  package static func make() -> String {
    var bytes = [UInt8](repeating: 0, count: 16)
    // Without random bytes nothing here is safe.
    precondition(getentropy(&bytes, bytes.count) == 0, "getentropy failed")
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
