// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// Writes lines to standard error, and never waits for their reader.
///
/// Standard error is shared with other processes, so its own flags stay as they are. A pipe or a terminal is opened anew
/// with `O_NONBLOCK`, and a socket is written with `MSG_DONTWAIT`. Where neither works, a thread does all the writing.
/// Lines that find no room wait in a buffer, and a thread writes them when there is room. When the buffer is full too,
/// further lines are dropped and counted, and the count is logged.
final class LogWriter: @unchecked Sendable {
  /// The one of this process: there is one standard error.
  static let shared = LogWriter()

  /// How much waits for a reader that is slow, in bytes: four times what a pipe holds.
  private static let maxWaiting = 256 << 10
  /// How long the end of the process waits for a reader, in seconds.
  private static let lastWait = 1

  private enum Way {
    case undecided
    /// By this descriptor, which never blocks.
    case file(Int32)
    case socket
    /// By the thread alone, which may block.
    case thread
  }

  private enum Outcome {
    case written(Int)
    /// There is no room now.
    case full
    /// There will be no room for this: nobody reads, or the disk is full.
    case lost
  }

  private var way = Way.undecided
  /// SIGPIPE would end this process.
  private var isMortal = true
  private var waiting = Bytes()
  /// The number of dropped lines that the log doesn't mention yet.
  private var untold = 0
  private var allDropped = 0
  private var hasThread = false
  /// The line that tells of dropped lines.
  private var notice: (Int) -> Bytes = { _ in Bytes() }

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  /// There is something to write.
  private let more = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// Everything is written.
  private let drained = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  private init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(more, nil)
    pthread_cond_init(drained, nil)
  }

  /// How many lines were dropped since the process began.
  var dropped: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return allDropped
  }

  /// Writes whole lines, at most `PIPE_BUF` bytes of them; they stay together.
  func write(_ lines: ByteSlice, notice: @escaping (Int) -> Bytes) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    self.notice = notice
    if case .undecided = way { decide() }
    if case .thread = way { return keep(lines) }
    guard waiting.isEmpty, tellOfDropped() else { return keep(lines) }
    switch put(lines) {
    case .written(lines.count): break
    case .written(let count):
      waiting.append(lines.cut(count, lines.count))
      wake()
    case .full: keep(lines)
    case .lost: drop(lines)
    }
  }

  // MARK: How it is written

  private func decide() {
    var status = stat()
    guard fstat(STDERR_FILENO, &status) == 0 else { return }
    var disposition = sigaction()
    isMortal =
      sigaction(SIGPIPE, nil, &disposition) != 0
      || unsafeBitCast(disposition.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
    switch status.st_mode & S_IFMT {
    // It never waits for a reader, and others write at the same place in it.
    case S_IFREG: way = .file(STDERR_FILENO)
    case S_IFSOCK: way = .socket
    case S_IFIFO, S_IFCHR:
      let own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
      if own >= 0 {
        way = .file(own)
      } else if errno != ENXIO {
        way = .thread
      }
    // A named pipe that nobody reads now: that may change until the next line.
    default: way = .thread
    }
  }

  /// Writes once, without waiting where the way allows it.
  private func put(_ bytes: ByteSlice) -> Outcome {
    var count = -1
    var code: Int32 = 0
    switch way {
    case .undecided: return .lost
    case .socket:
      count = send(STDERR_FILENO, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      code = errno
    case .file(let descriptor): (count, code) = write(bytes, to: descriptor)
    case .thread: (count, code) = write(bytes, to: STDERR_FILENO)
    }
    if count >= 0 { return .written(count) }
    switch code {
    case EAGAIN, EINTR, ENOBUFS: return .full
    default: return .lost
    }
  }

  private func write(_ bytes: ByteSlice, to descriptor: Int32) -> (count: Int, code: Int32) {
    guard isMortal else {
      let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
      return (count, errno)
    }
    // A filter dies of SIGPIPE where its own reader is gone, and not where the log's is.
    var (pipe, before) = (sigset_t(), sigset_t())
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &pipe, &before)
    let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    let code = errno
    if count < 0, code == EPIPE {
      var now = timespec()
      while sigtimedwait(&pipe, nil, &now) < 0, errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    return (count, code)
  }

  // MARK: What waits

  private func keep(_ lines: ByteSlice) {
    guard waiting.count + lines.count + (untold > 0 ? Log.maxLine : 0) <= Self.maxWaiting else { return drop(lines) }
    // It stands where the lines are missing.
    keepNotice()
    waiting.append(lines)
    wake()
  }

  private func drop(_ lines: ByteSlice) {
    let count = lines.count { $0 == UInt8(ascii: "\n") }
    untold += count
    allDropped += count
  }

  private func keepNotice() {
    guard untold > 0 else { return }
    // Named, so that its bytes live until they are copied.
    let line = notice(untold)
    waiting.append(line.slice)
    untold = 0
  }

  /// Writes how many lines were dropped, if any were; false where there is no room for that.
  private func tellOfDropped() -> Bool {
    guard untold > 0 else { return true }
    let line = notice(untold)
    guard case .written(let count) = put(line.slice) else { return false }
    untold = 0
    guard count < line.count else { return true }
    waiting.append(line.slice.cut(count, line.count))
    wake()
    return false
  }

  private func wake() {
    pthread_cond_signal(more)
    guard !hasThread else { return }
    hasThread = true
    // Signals are for the threads that expect them.
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 256 << 10)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, &attributes,
      { _ in
        LogWriter.shared.drain()
        return nil
      }, nil)
    pthread_attr_destroy(&attributes)
    pthread_sigmask(SIG_SETMASK, &before, nil)
    guard error == 0 else {
      hasThread = false
      return
    }
    atexit { LogWriter.shared.finish() }
  }

  /// Writes what waits, whenever there is room for it; for the thread, for ever.
  private func drain() {
    pthread_mutex_lock(mutex)
    while true {
      while waiting.isEmpty {
        pthread_cond_broadcast(drained)
        pthread_cond_wait(more, mutex)
      }
      // What it writes stays in the buffer until it is written, so that nothing overtakes it.
      let next = firstLines()
      pthread_mutex_unlock(mutex)
      waitForRoom()
      let outcome = put(next.slice)
      pthread_mutex_lock(mutex)
      switch outcome {
      case .written(let count): waiting.removeFirst(count)
      case .full: break
      case .lost:
        waiting.removeFirst(next.count)
        drop(next.slice)
      }
      if waiting.isEmpty, untold > 0, case .written = outcome { keepNotice() }
    }
  }

  /// As many whole lines as a pipe takes at once or not at all.
  private func firstLines() -> Bytes {
    let all = waiting.slice.cut(0, min(waiting.count, Log.maxLine))
    let end = all.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? all.count
    var lines = Bytes(capacity: end)
    lines.append(all.cut(0, end))
    return lines
  }

  private func waitForRoom() {
    let descriptor: Int32
    switch way {
    case .file(let own): descriptor = own
    case .socket: descriptor = STDERR_FILENO
    case .undecided, .thread: return
    }
    var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    poll(&room, 1, -1)
  }

  /// Lets a reader that is there have the last lines.
  private func finish() {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    until.tv_sec += Self.lastWait
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !waiting.isEmpty {
      guard pthread_cond_timedwait(drained, mutex, &until) == 0 else { return }
    }
  }
}
