// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// Runs a backend between stdin and stdout until its input has ended and its work is done, or it is told to stop.
package final class BackendRunner<B: Backend> {
  /// Hands lines to the backend, by the run loop that all filters share.
  private struct Taker: RecordFilter {
    static var side: Side { .request }
    let backend: B
    let port: Port
    private var lastIsBare = false

    init(backend: B, port: Port) {
      self.backend = backend
      self.port = port
    }

    /// Bare answers bear no name, so one comes after another.
    var isReady: Bool { !lastIsBare || backend.inFlight == 0 }

    mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
      lastIsBare = line.isBare
      // What the backend said before stands before what this line gives: a cancel stays behind its request.
      passOn(to: &out)
      defer { passOn(to: &out) }
      switch line.kind {
      case .request:
        do throws(APIError) {
          try Self.checkOperation(of: line)
          try backend.take(line)
        } catch {
          guard backend.declining.covers(error.status) else { throw error }
          out.handOn(line.bytes, of: line.id, status: error.status)
        }
      case .cancel:
        // What was handed on is the next backend's to cancel; else it is nobody's.
        if !backend.cancel(line.id), backend.declining.isOn { out.forward(line) }
      default: out.forward(line)
      }
    }

    /// - Throws: 404 for an operation that a stage before the backend should have answered.
    private static func checkOperation(of line: Line) throws(APIError) {
      guard case .other(let name) = Operation(of: line.ctx) else { return }
      throw APIError(
        status: 404,
        "no stage of the pipeline answers the operation \(name.clipped). Add the stage that does before the backend.")
    }

    private func passOn(to out: inout Output) {
      out.bytes.append(port.output.bytes.slice)
      out.notes += port.output.notes
      port.output.bytes.removeAll()
      port.output.notes.removeAll()
    }
  }

  private var run: Run<Taker>
  private let backend: B
  private let port: Port
  private let reactor: Reactor
  private let log: Log
  private var inputEnded = false
  /// The end of the input has been taken, and every line before it.
  private var isFinished = false
  private var isReading = false
  /// Large buffers are to be given back.
  private var givesBack = false
  /// A large request came, and the backend has not been idle since.
  private var hasTakenMuch = false
  private var failure: Failure?

  package init(_ backend: B, port: Port, reactor: Reactor, log: Log, defaultContext: String, isStrict: Bool) {
    self.backend = backend
    self.port = port
    self.reactor = reactor
    self.log = log
    run = Run(Taker(backend: backend, port: port), defaultContext: defaultContext, isStrict: isStrict)
  }

  /// Returns when all is done; SIGTERM and SIGINT end it with all work stopped, and SIGHUP
  /// where the backend has no files to read again.
  package func serve() throws(Failure) {
    // A reader that went away shows as EPIPE, so that the children are ended and not orphaned.
    signal(SIGPIPE, SIG_IGN)
    let signals = clinux_signalfd([SIGTERM, SIGINT, SIGHUP], 3)
    guard signals >= 0 else { throw Failure(.system, "signalfd: \(StandardIO.text(of: errno))") }
    defer { close(signals) }
    reactor.watch(signals, for: .readable) { [unowned self] _ in
      let signal = clinux_read_signal(signals)
      if signal > 0, signal != SIGHUP || !backend.reload() { reactor.stop() }
    }
    reactor.beforeWaiting = { [unowned self] in
      // Before what is held gives something: bare answers have nothing but their order.
      writeOutput()
      takeHeld()
      writeOutput()
      giveBackLater()
    }
    reactor.run()
    reactor.beforeWaiting = {}
    backend.stop()
    if let failure { throw failure }
  }

  private func readInput() {
    do throws(Failure) {
      if try !run.take(filledBy: StandardIO.read) { inputEnded = true }
    } catch {
      fail(error)
    }
  }

  /// Gives large buffers back in a while; the next large request has them until then.
  private func giveBackLater() {
    guard !givesBack, run.keepsMuch || port.output.keepsMuch || Memory.keepsMuch || hasTakenMuch else { return }
    givesBack = true
    hasTakenMuch = hasTakenMuch || run.keepsMuch
    _ = reactor.after(milliseconds: Limits.keptTime) { [unowned self] in
      givesBack = false
      run.giveBack()
      port.output.giveBack()
      Memory.giveBack()
      // What was made of a large request may be held until the last answer ends.
      if backend.inFlight == 0 { hasTakenMuch = false }
    }
  }

  /// Takes what waited for the answer to a bare request, and reads on only when nothing waits any more.
  private func takeHeld() {
    guard failure == nil else { return }
    do throws(Failure) {
      if !isFinished { try run.resume() }
      let mayRead = run.filter.isReady && !inputEnded
      if mayRead != isReading {
        isReading = mayRead
        if mayRead {
          reactor.watch(STDIN_FILENO, for: .readable) { [unowned self] _ in readInput() }
        } else {
          reactor.unwatch(STDIN_FILENO)
        }
      }
      if inputEnded, !isFinished, run.filter.isReady {
        isFinished = true
        try run.finish()
      }
    } catch {
      fail(error)
    }
  }

  private func writeOutput() {
    do throws(Failure) {
      try flush(&run.output, log)
      try flush(&port.output, log)
    } catch {
      // Whoever read us is gone: that ends a pipe quietly.
      if error.errno == EPIPE { reactor.stop() } else { fail(error) }
    }
    if isFinished, backend.inFlight == 0 { reactor.stop() }
  }

  private func fail(_ failure: Failure) {
    self.failure = failure
    reactor.stop()
  }
}
