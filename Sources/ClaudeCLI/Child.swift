// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Reactor
import Records

/// A child process on the reactor: its three pipes, its end, and the steps of ending it.
///
/// It leads a process group of its own, and dies with us whatever kills us; unless it may be renewing a login. That one
/// sees its stdin closed, and ends when it is done.
final class Child {
  struct Program {
    var path: String
    var arguments: [String]
    /// `NAME=value` each: all of the child's environment.
    var environment: [String]
    var directory: String
    /// Under it the process renews its owner's login, and must not be killed then.
    var lock: LoginLock?
  }

  /// How a process ended.
  enum End: CustomStringConvertible {
    case status(Int32)
    case signal(Int32)

    var description: String {
      switch self {
      case .status(let status): "exit status \(status)"
      case .signal(let signal): "signal \(signal)"
      }
    }
  }

  /// What is told about a child; the slices are valid during the call only.
  struct Handlers {
    var line: (ByteSlice) -> Void
    /// A line longer than ``Limits/maxLine``; the rest of it is passed over.
    var tooLong: () -> Void
    var errorLine: (ByteSlice) -> Void
    /// It has closed its stdout, and can't say any more.
    var silent: () -> Void = {}
    /// The process is reaped, and all that it had written was handed over.
    var ended: (End) -> Void
  }

  /// How long each step of ending a child may take, in milliseconds.
  ///
  /// A CLI whose stdin is closed ends within 20 ms of its turn, and SIGTERM ends it within 45 ms in mid-stream, the
  /// upstream closed; the rest is for one that hangs.
  static let steps = (closed: 500, terminated: 250)

  /// The longest line of stderr that is looked at, in bytes.
  private static let maxErrorLine = 64 << 10

  let pid: pid_t
  /// When the child last wrote something, by the reactor's clock.
  private(set) var lastHeard = Reactor.now
  private let reactor: Reactor
  private var handlers: Handlers?
  private var input: Int32
  private let output: Int32
  private let errors: Int32
  private let process: Int32
  private let lock: LoginLock?
  /// Since when it was spared because it renews a login.
  private var spared: UInt64?
  private var closesInput = false
  private var pending = Bytes()
  private var written = 0
  private var outputLines = LineSplitter()
  private var errorLines = LineSplitter(maxLine: Child.maxErrorLine)
  private var openOutputs: Set<Int32> = []
  private var step: Reactor.Timer?

  init(_ program: Program, reactor: Reactor, handlers: Handlers) throws(Failure) {
    self.reactor = reactor
    self.handlers = handlers
    lock = program.lock
    let pipes = try Self.pipes()
    let started = Self.spawn(program, [pipes[0].read, pipes[1].write, pipes[2].write])
    for end in [pipes[0].read, pipes[1].write, pipes[2].write] { close(end) }
    (input, output, errors) = (pipes[0].write, pipes[1].read, pipes[2].read)
    let handle = started.error == 0 ? clinux_pidfd_open(started.pid) : -1
    guard handle >= 0 else {
      let code = started.error == 0 ? errno : started.error
      for end in [input, output, errors] { close(end) }
      if started.error == 0 {
        Glibc.kill(-started.pid, SIGKILL)
        waitpid(started.pid, nil, 0)
      }
      throw Failure(.system, "\(program.path) can't be started: \(String(cString: strerror(code)))", errno: code)
    }
    (pid, process) = (started.pid, handle)
    Orphans.started(pid)
    for end in [input, output, errors] { clinux_set_nonblocking(end) }
    openOutputs = [output, errors]
    reactor.watch(output, for: .readable) { [unowned self] _ in readOutput() }
    reactor.watch(errors, for: .readable) { [unowned self] _ in _ = readErrors() }
    // The reactor keeps us until we are reaped.
    reactor.watch(process, for: .readable) { _ in self.reap() }
  }

  private static func pipes() throws(Failure) -> [(read: Int32, write: Int32)] {
    var pipes: [(read: Int32, write: Int32)] = []
    for _ in 0..<3 {
      var ends: [Int32] = [-1, -1]
      guard clinux_pipe(&ends) == 0 else {
        let code = errno
        for pipe in pipes {
          close(pipe.read)
          close(pipe.write)
        }
        throw Failure(.system, "pipe: \(String(cString: strerror(code)))", errno: code)
      }
      pipes.append((ends[0], ends[1]))
    }
    return pipes
  }

  private static func spawn(
    _ program: Program, _ descriptors: [Int32]
  ) -> (pid: pid_t, error: Int32) {
    var pid: pid_t = 0
    var argv: [UnsafeMutablePointer<CChar>?] = ([program.path] + program.arguments).map { strdup($0) }
    argv.append(nil)
    var environment: [UnsafeMutablePointer<CChar>?] = program.environment.map { strdup($0) }
    environment.append(nil)
    defer {
      for text in argv { free(text) }
      for text in environment { free(text) }
    }
    let error = clinux_spawn(
      &pid, program.path, argv, environment, descriptors, program.directory, program.lock == nil ? 1 : 0)
    return (pid, error)
  }

  // MARK: Its input

  /// Hands over bytes for the child's stdin; what the pipe doesn't take is written when it does.
  func write(_ bytes: consuming Bytes) {
    guard input >= 0 else { return }
    // What is large isn't copied.
    if pending.isEmpty { pending = bytes } else { pending.append(bytes.slice) }
    writePending()
  }

  private func writePending() {
    while written < pending.count {
      let count = Glibc.write(input, pending.slice.baseAddress! + written, pending.count - written)
      if count >= 0 {
        written += count
      } else if errno == EAGAIN {
        return reactor.watch(input, for: .writable) { [unowned self] _ in writePending() }
      } else if errno != EINTR {
        // It reads no more; its end or its silence tells the rest.
        return closeInput()
      }
    }
    pending.removeAll()
    written = 0
    reactor.unwatch(input)
    if closesInput { closeInput() }
  }

  func closeInput() {
    guard input >= 0 else { return }
    reactor.unwatch(input)
    close(input)
    input = -1
    pending.removeAll(keeping: 0)
    written = 0
  }

  // MARK: Its output

  private func readOutput() {
    guard let count = read(output, into: &outputLines), count > 0 else {
      if !openOutputs.contains(output) { handlers?.silent() }
      return
    }
    lastHeard = Reactor.now
    while let piece = outputLines.next() {
      switch piece {
      case .line(let line): handlers?.line(line)
      case .tooLong: handlers?.tooLong()
      }
    }
  }

  /// Reads what stands in its stderr by now: what it wrote there before the last line of its stdout.
  func readErrorsNow() {
    while openOutputs.contains(errors), readErrors() {}
  }

  /// False where there was nothing.
  @discardableResult
  private func readErrors() -> Bool {
    guard let count = read(errors, into: &errorLines), count > 0 else { return false }
    while let piece = errorLines.next() {
      switch piece {
      case .line(let line), .tooLong(let line): handlers?.errorLine(line)
      }
    }
    return true
  }

  /// The number of bytes that came; 0 at the end, nil when there are none yet.
  private func read(_ descriptor: Int32, into lines: inout LineSplitter) -> Int? {
    guard openOutputs.contains(descriptor) else { return 0 }
    var code: Int32 = 0
    let count = lines.fill { room in
      let count = Glibc.read(descriptor, room.baseAddress, room.count)
      code = errno
      return count
    }
    if count < 0, code == EAGAIN || code == EINTR { return nil }
    if count <= 0 { closeOutput(descriptor) }
    return max(count, 0)
  }

  private func closeOutput(_ descriptor: Int32) {
    guard openOutputs.remove(descriptor) != nil else { return }
    reactor.unwatch(descriptor)
    close(descriptor)
  }

  // MARK: Its end

  /// Kills the process and all that it started, at once: for when it must not take one step more.
  ///
  /// The CLI then leaves an entry of its session in its configuration, and its socket; ``terminate()`` leaves nothing.
  func kill() { killSoon() }

  /// Stops the process and all that it started: SIGTERM, SIGKILL.
  func terminate() {
    reactor.cancel(step)
    guard signal(SIGTERM) else { return spare { [self] in terminate() } }
    step = reactor.after(milliseconds: Self.steps.terminated) { [self] in killSoon() }
  }

  /// Asks the process to end: by a last frame and the end of its stdin, and only then as ``terminate()`` does.
  func end(by frame: consuming Bytes) {
    closesInput = true
    write(frame)
    guard handlers != nil else { return }
    reactor.cancel(step)
    step = reactor.after(milliseconds: Self.steps.closed) { [self] in terminate() }
  }

  private func killSoon() {
    if !signal(SIGKILL) { spare { [self] in killSoon() } }
  }

  private func spare(_ again: @escaping () -> Void) {
    reactor.cancel(step)
    step = reactor.after(milliseconds: 100, again)
  }

  /// Sends a signal that ends it; false where it renews a login, and must be left alone for now.
  private func signal(_ number: Int32) -> Bool {
    // Once reaped, the number may be someone else's.
    guard handlers != nil else { return true }
    guard let lock else {
      Glibc.kill(-pid, number)
      return true
    }
    // While it is stopped, it can't begin to renew after we have looked.
    clinux_hold(pid)
    if lock.isHeld(by: pid) {
      let since = spared ?? Reactor.now
      spared = since
      if Reactor.now - since < LoginLock.longest {
        Glibc.kill(-pid, SIGCONT)
        return false
      }
    }
    Glibc.kill(-pid, number)
    Glibc.kill(-pid, SIGCONT)
    return true
  }

  /// Ends the process in steps: no more input, SIGTERM, SIGKILL.
  func end() {
    closeInput()
    guard handlers != nil, step == nil else { return }
    step = reactor.after(milliseconds: Self.steps.closed) { [self] in terminate() }
  }

  /// Waits for the end of a process that was told to stop, and kills it at that time; nothing is told.
  func destroy(at time: UInt64) {
    guard handlers != nil else { return }
    var ended = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
    let now = Reactor.now
    poll(&ended, 1, time > now ? Int32((time - now) / 1_000_000) : 0)
    // One that renews a login is waited for, in vain for half a minute at most.
    while !signal(SIGKILL) { poll(&ended, 1, 100) }
    waitpid(pid, nil, 0)
    release()
  }

  private func reap() {
    var status: Int32 = 0
    guard clinux_reap(pid, &status) == pid else { return }
    // What it left behind in its group has no one to end it later.
    Glibc.kill(-pid, SIGKILL)
    while openOutputs.contains(output), lastRead(readOutput, output) {}
    while openOutputs.contains(errors), lastRead({ _ = readErrors() }, errors) {}
    let ended = handlers?.ended
    release()
    ended?(status & 0x7F == 0 ? .status(status >> 8 & 0xFF) : .signal(status & 0x7F))
  }

  /// Reads once if there is something; false when the pipe is empty or closed.
  private func lastRead(_ read: () -> Void, _ descriptor: Int32) -> Bool {
    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&ready, 1, 0) > 0 else { return false }
    read()
    return true
  }

  private func release() {
    handlers = nil
    Orphans.collected(pid)
    reactor.cancel(step)
    closeInput()
    closeOutput(output)
    closeOutput(errors)
    reactor.unwatch(process)
    close(process)
  }
}
