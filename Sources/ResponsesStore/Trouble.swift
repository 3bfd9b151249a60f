// SPDX-License-Identifier: MIT
import CSQLite
import Glibc

/// Why the file can't be used.
struct Trouble: Error, Equatable {
  /// What kind it is, by the word that health says.
  enum Kind: String {
    case full
    /// It can be read; the disk, or a limit on the size of files, let nothing be written.
    case notWritable = "not_writable"
    case readOnly = "read_only"
    case locked
    case unreadable
    /// It is something else's, or a newer version's, and stays as it is.
    case foreign
    /// It is put aside at once.
    case damaged
  }

  var kind: Kind
  /// For a person: what was wrong. Health shows it to everyone, so it names no path of this machine.
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

  /// - Parameter errno: of a call on the file or its folder.
  init(errno code: Int32, _ what: String) {
    kind =
      switch code {
      case ENOSPC, EDQUOT: .full
      case EROFS: .readOnly
      default: .unreadable
      }
    message = "\(what): \(String(cString: strerror(code)))"
  }

  /// Whether that can be done all the same: what can't be written can be read.
  func lets(_ access: ResponsesFile.Access) -> Bool {
    access == .reading && [.full, .notWritable, .readOnly].contains(kind)
  }

  /// What can't be done.
  var verb: String { lets(.reading) ? "kept" : "kept or read" }
}
