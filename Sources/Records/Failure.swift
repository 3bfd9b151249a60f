// SPDX-License-Identifier: MIT

/// Why a program stops early.
///
/// The operator gets one line of it on stderr, the shell an exit status; a request that can't be served is no
/// failure but an ``APIError``.
package struct Failure: Error, Equatable, Sendable {
  /// The kinds of failure, by their `sysexits.h` number.
  package enum Kind: Int32, CaseIterable, Sendable {
    /// The command line is wrong (`EX_USAGE`).
    case usage = 64
    /// A line on stdin is not one this program reads, and `--strict-input` was given (`EX_DATAERR`).
    case badRecord = 65
    /// A file that was named can't be read (`EX_NOINPUT`).
    case noInput = 66
    /// A program or service this one needs is not there (`EX_UNAVAILABLE`).
    case unavailable = 69
    /// This program is wrong; please report it (`EX_SOFTWARE`).
    case bug = 70
    /// The system refused a resource (`EX_OSERR`).
    case system = 71
    /// Reading stdin or writing stdout failed (`EX_IOERR`).
    case io = 74
    /// Credentials are missing or refused (`EX_NOPERM`).
    case noPermission = 77
    /// The settings are wrong (`EX_CONFIG`).
    case configuration = 78
  }

  package var kind: Kind
  /// What went wrong, for a person: no program name, no final period.
  package var message: String
  /// The offending line of stdin, counted from 1.
  package var line: Int?
  /// What the kernel said, where it said no.
  package var errno: Int32?

  package init(_ kind: Kind, _ message: String, line: Int? = nil, errno: Int32? = nil) {
    self.kind = kind
    self.message = message
    self.line = line
    self.errno = errno
  }
}
