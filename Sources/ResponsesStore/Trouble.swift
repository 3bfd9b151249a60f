// SPDX-License-Identifier: MIT
import CSQLite
import Glibc

/// Why the file can't be used.
struct Trouble: Error, Equatable {
  /// The kind of trouble, by the word in health answers.
  enum Kind: String {
    case full
    /// The file can be read, but not written: the disk or a limit on the size of files prevents it.
    case notWritable = "not_writable"
    case readOnly = "read_only"
    case locked
    case unreadable
    /// The file belongs to another program or a newer version, and stays as it is.
    case foreign
    /// The file is renamed at once.
    case damaged
  }

  var kind: Kind
  /// What was wrong, for a person. Clients with a token see it in health, so it names no path of this machine.
  var message: String

  init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  init(_ fault: SQLiteFault) {
    let isFull = [ENOSPC, EDQUOT, EFBIG].contains(fault.errno)
    kind =
      switch fault.primary {
      case SQLITE_FULL: .full
      case SQLITE_IOERR: isFull ? .full : Self.writes.contains(fault.code) ? .notWritable : .unreadable
      case SQLITE_READONLY: .readOnly
      case SQLITE_BUSY, SQLITE_LOCKED: .locked
      case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
      default: .unreadable
      }
    message = fault.message
  }

  /// The extended codes of writes that failed.
  private static let writes = [
    SQLITE_IOERR | 3 << 8, SQLITE_IOERR | 4 << 8, SQLITE_IOERR | 5 << 8, SQLITE_IOERR | 6 << 8, SQLITE_IOERR | 19 << 8,
  ]

  /// - Parameter errno: the error of a call on the file or its folder.
  init(errno code: Int32, _ what: String) {
    kind =
      switch code {
      case ENOSPC, EDQUOT: .full
      case EROFS: .readOnly
      default: .unreadable
      }
    message = "\(what): \(String(cString: strerror(code)))"
  }

  /// Whether this access is still possible: a file that can't be written can often be read.
  func lets(_ access: ResponsesFile.Access) -> Bool {
    access == .reading && [.full, .notWritable, .readOnly].contains(kind)
  }

  /// What can't be done with responses, for the log.
  var verb: String { lets(.reading) ? "kept" : "kept or read" }
}
