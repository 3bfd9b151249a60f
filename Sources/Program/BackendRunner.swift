// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Reactor
import Records

/// Runs a chain that has a backend, until its input has ended and its work is done, or it is told to stop.
final class BackendRunner {
  private let chain: Chain
  private let index: Int
  private let backend: any Backend
  private let reactor: Reactor
  private let setting: StageSetting
  private var inputEnded = false
  /// The backend has taken the end of the input, and every line before it.
  private var isFinished = false
  private var isReading = false
  /// Large buffers are to be given back.
  private var givesBack = false
  /// A large request came, and the backend has not been idle since.
  private var hasTakenMuch = false
  private var failure: Failure?
  /// Standard output takes nothing more.
  private var isOver = false

  init(_ chain: Chain, _ part: Chain.BackendPart) {
    self.chain = chain
    index = part.index
    backend = part.backend
    reactor = part.reactor
    setting = part.setting
  }

  /// Returns when all is done; SIGTERM and SIGINT end it with all work stopped, and SIGHUP
  /// where the backend has no files to read again.
  ///
  /// - Throws: when standard output can't be written.
  func serve() throws(Failure) {
    // A reader that went away shows as EPIPE, so that the children are ended and not orphaned.
    signal(SIGPIPE, SIG_IGN)
    let signals = clinux_stop_signals()
    guard signals >= 0 else {
      throw Failure(.system, "can't install the signal handlers: \(StandardIO.text(of: errno))")
    }
    reactor.watch(signals, for: .readable) { [unowned self] _ in
      let signal = clinux_read_stop_signal(signals)
      if signal > 0, signal != SIGHUP || !backend.reload() { reactor.stop() }
    }
    reactor.beforeWaiting = { [unowned self] in
      // Before what is held gives something: bare answers have nothing but their order.
      writeOutput()
      takeHeld()
      writeOutput()
      giveBackLater()
      // What happens next is the backend's work: the answer of a server or of a child.
      setting.enter()
    }
    _ = reactor.after(milliseconds: Limits.startTime) { Memory.releaseCode() }
    reactor.run()
    clinux_hold_stop_signals()
    reactor.beforeWaiting = {}
    backend.stop()
    if let failure { throw failure }
  }

  private func readInput() {
    if !chain.read() { inputEnded = true }
    setting.enter()
  }

  /// Gives large buffers back in a while; the next large request has them until then.
  private func giveBackLater() {
    guard !givesBack else { return }
    let keepsMuch = chain.keepsMuch
    guard keepsMuch || Memory.keepsMuch || hasTakenMuch else { return }
    givesBack = true
    hasTakenMuch = hasTakenMuch || keepsMuch
    _ = reactor.after(milliseconds: Limits.keptTime) { [unowned self] in
      givesBack = false
      chain.giveBack()
      Memory.giveBack()
      // What was made of a large request may be held until the last answer ends.
      if backend.inFlight == 0 { hasTakenMuch = false }
    }
  }

  /// Takes what waited for the answer to a bare request, and reads on only when nothing waits any more.
  private func takeHeld() {
    guard !isOver, chain.firstAlive <= index else { return }
    if !isFinished { chain.resume(index) }
    let mayRead = chain.isReady(index) && !inputEnded
    if mayRead != isReading {
      isReading = mayRead
      if mayRead {
        reactor.watch(STDIN_FILENO, for: .readable) { [unowned self] _ in readInput() }
      } else {
        reactor.unwatch(STDIN_FILENO)
      }
    }
    guard inputEnded, !isFinished else { return }
    // The backend may have to hold what the stages before it still owe.
    chain.finish(before: index)
    guard chain.isReady(index) else { return }
    isFinished = true
    chain.finish(before: index + 1)
  }

  private func writeOutput() {
    guard !isOver else { return }
    do throws(Failure) {
      try chain.write()
      // A failure of the backend or of a stage after it ends what comes before it.
      let isDone = isFinished && backend.inFlight == 0 || chain.firstAlive > index
      guard isDone else { return }
      chain.finish(before: chain.count)
      try chain.write()
    } catch {
      // EPIPE: the reader has closed the pipe. EINTR: a signal came while the pipe was full. Both end it quietly.
      if error.errno != EPIPE, error.errno != EINTR { failure = error }
      isOver = true
    }
    reactor.stop()
  }
}
