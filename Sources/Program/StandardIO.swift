// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Records

/// Standard input and output, by the system's own calls.
package enum StandardIO {
  /// Reads what is there, waiting for the first byte; 0 at the end of the input.
  package static func read(into room: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    while true {
      let count = Glibc.read(STDIN_FILENO, room.baseAddress, room.count)
      if count >= 0 { return count }
      if errno == EINTR { continue }
      if errno == EAGAIN {
        // Someone who shares the descriptor made it non-blocking.
        wait(STDIN_FILENO, Int16(POLLIN))
        continue
      }
      throw Failure(.io, "stdin can't be read: \(text(of: errno))", errno: errno)
    }
  }

  /// Waits until there is something to read, or the end; false where that takes longer, in milliseconds.
  static func inputComes(within time: Int) -> Bool {
    var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&input, 1, Int32(time)) != 0
  }

  /// Writes everything, waiting where it must.
  ///
  /// - Throws: with `EINTR` where it still waits a second after SIGTERM or SIGINT, in a process that takes them by
  ///   `clinux_stop_signals`.
  /// - Parameter forgetting: nobody needs the bytes afterwards. Written memory goes back to the system
  ///   piece by piece, as the reader's copy of a large record grows.
  package static func write(_ bytes: ByteSlice, forgetting: Bool = false) throws(Failure) {
    var at = 0
    var forgotten = 0
    while at < bytes.count {
      if forgetting, at - forgotten >= Limits.ownBuffer {
        // From the beginning: no large page goes back while a part of it is kept.
        Memory.forget(bytes.cut(0, at))
        forgotten = at
      }
      let left = bytes.count - at
      let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress! + at, forgetting ? min(left, Limits.ownBuffer) : left)
      if count >= 0 {
        at += count
      } else if errno == EAGAIN || errno == EINTR {
        if errno == EAGAIN, wait(STDOUT_FILENO, Int16(POLLOUT)) { continue }
        // A reader that reads gets the rest. For one that does not, a signal must not wait.
        if clinux_is_overdue() != 0 { throw Failure(.io, "stopped while stdout was full", errno: EINTR) }
      } else {
        throw Failure(.io, "stdout can't be written: \(text(of: errno))", errno: errno)
      }
    }
  }

  /// False where a signal ended the wait.
  @discardableResult
  private static func wait(_ fd: Int32, _ events: Int16) -> Bool {
    var one = pollfd(fd: fd, events: events, revents: 0)
    return poll(&one, 1, -1) > 0
  }

  /// The content of a file that was named on the command line.
  package static func contents(of path: String) throws(Failure) -> Bytes {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Failure(.noInput, "\(path) can't be opened: \(text(of: errno))", errno: errno) }
    defer { close(file) }
    var bytes = Bytes()
    while true {
      let count = bytes.appending(atMost: 64 << 10) { Glibc.read(file, $0.baseAddress, $0.count) }
      guard count >= 0 else { throw Failure(.noInput, "\(path) can't be read: \(text(of: errno))", errno: errno) }
      if count == 0 { return bytes }
    }
  }

  /// What the system says of an errno.
  package static func text(of code: Int32) -> String { String(cString: strerror(code)) }

  /// Opens /dev/null where one of the three standard descriptors is closed, so that no file opened later takes its
  /// place; a closed stdout is then an error at the first write, as POSIX tools have it.
  package static func secureDescriptors() {
    for fd in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(fd, F_GETFD) < 0 {
      // The wrong way round on purpose: reading a closed stdin, or writing a closed stdout, must fail.
      _ = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
