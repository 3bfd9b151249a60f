// SPDX-License-Identifier: MIT
import CSQLite
import Glibc

/// Why the file can't be used.
struct Trouble: Error, Equatable {
  /// What kind it is, by the word that health says.
  enum Kind: String {
    case full
    case readOnly = "read_only"
    case locked
    case unreadable
    /// It is something else's, or a newer version's, and stays as it is.
    case foreign
    /// It is put aside at once.
    case damaged
  }

  var kind: Kind
  /// For a person: what was wrong.
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
      case SQLITE_IOERR: isFull ? .full : .unreadable
      case SQLITE_READONLY: .readOnly
      case SQLITE_BUSY, SQLITE_LOCKED: .locked
      case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
      default: .unreadable
      }
    message = fault.message
  }

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

  /// Whether that can be done all the same: what is full or read-only can be read.
  func lets(_ access: ResponsesFile.Access) -> Bool { access == .reading && (kind == .full || kind == .readOnly) }

  /// What can't be done.
  var verb: String { lets(.reading) ? "kept" : "kept or read" }
}
