// SPDX-License-Identifier: MIT
import ArgumentParser
import CLinux
import Glibc
import JSONText
import Jansson
import Logs
import Reactor
import Records

/// Stages in one process: what one writes, the next one takes, without a pipe between them.
///
/// At most one of them is a backend. A stage that fails ends like a program of a pipe: the stages after it take what it
/// wrote before, and then the end of their input.
package final class Chain {
  /// The stage that answers later than it is asked.
  struct BackendPart {
    let index: Int
    let backend: any Backend
    let port: Port
    let reactor: Reactor
    let setting: StageSetting
  }

  private var steps: [ChainStep] = []
  private(set) var backend: BackendPart?
  /// The first stage that still takes something: all before it have ended by a failure, or one after them has.
  private(set) var firstAlive = 0
  /// The first stage that has not been told of the end of its input.
  private var unfinished = 0
  /// The exit status: that of the first stage that failed.
  private(set) var status: Int32 = 0

  /// The buffer of a large record that the stage after the next one can use: so two are enough for all stages.
  private var spare = Bytes()

  package init() {}

  package var count: Int { steps.count }

  func append(_ filter: any RecordFilter, of command: some StageCommand, log: Log, defaultContext: String) {
    let run = Run(filter, defaultContext: defaultContext, isStrict: command.common.strictInput)
    let setting = StageSetting(index: steps.count, maxNodes: command.maxNodes)
    steps.append(ChainStep(run, setting: setting, log: log))
  }

  func append(
    _ made: any Backend, port: Port, reactor: Reactor, of command: some StageCommand, log: Log, defaultContext: String
  ) {
    precondition(backend == nil, "a chain has one backend at most")
    let run = Run(
      BackendTaker(backend: made, port: port), defaultContext: defaultContext, isStrict: command.common.strictInput)
    let setting = StageSetting(index: steps.count, maxNodes: command.maxNodes)
    backend = BackendPart(index: steps.count, backend: made, port: port, reactor: reactor, setting: setting)
    steps.append(ChainStep(run, port: port, setting: setting, log: log))
  }

  /// Runs the stages between standard input and standard output, until all is done.
  ///
  /// - Throws: the exit status of a stage that failed, after the log line that says why.
  package func run() throws(ExitCode) {
    if let backend {
      do throws(Failure) {
        try BackendRunner(self, backend).serve()
      } catch {
        throw error.exit(steps[steps.count - 1].log)
      }
    } else {
      runFilters()
    }
    if status != 0 { throw ExitCode(status) }
  }

  /// Each read is followed by one write: nothing computed waits for input that may be slow to come.
  private func runFilters() {
    do throws(Failure) {
      // Until when large buffers are kept, by the reactor's clock.
      var kept: UInt64?
      repeat {
        try write()
        if keepsMuch || Memory.keepsMuch {
          let now = Reactor.now
          let end = kept ?? now + UInt64(Limits.keptTime) * 1_000_000
          // Also where there is always something to read.
          let isOver = end <= now || !StandardIO.inputComes(within: Int((end - now) / 1_000_000) + 1)
          if isOver {
            giveBack()
            Memory.giveBack()
          }
          kept = isOver ? nil : end
        }
      } while read()
      finish(before: steps.count)
      try write()
    } catch {
      fail(steps.count - 1, error)
    }
  }

  // MARK: From stage to stage

  /// The last stage of the request side: the backend, or the last one where there is none.
  private var turn: Int { backend?.index ?? steps.count - 1 }

  /// Whether the stage at that place takes what was kept, and more.
  func isReady(_ index: Int) -> Bool { steps[index].isReady }

  /// Takes what standard input has, up to the backend; false at the end of the input, or when a stage failed.
  func read() -> Bool {
    guard firstAlive == 0 else { return false }
    var isOpen = false
    do throws(Failure) { isOpen = try steps[0].read(lending: isHandedOnAtOnce(0)) } catch { fail(0, error) }
    passOn(from: 0, to: turn)
    return isOpen && firstAlive == 0
  }

  /// Has a stage take what it kept.
  func resume(_ index: Int) {
    guard firstAlive <= index else { return }
    do throws(Failure) { try steps[index].resume() } catch { fail(index, error) }
  }

  /// Tells the stages before that place of the end of their input, one after the other.
  func finish(before end: Int) {
    while unfinished < end {
      let index = unfinished
      unfinished += 1
      if index >= firstAlive {
        do throws(Failure) { try steps[index].finish() } catch { fail(index, error) }
      }
      passOn(from: index, to: index < turn ? turn : steps.count - 1)
    }
  }

  /// Has the last stage take what the backend and those after it have written, and writes what it makes of that.
  ///
  /// - Throws: when standard output can't be written.
  func write() throws(Failure) {
    let last = steps.count - 1
    passOn(from: turn, to: last)
    var failure: Failure?
    steps[last].handOver { bytes, isGivenBack in
      guard failure == nil else { return }
      do throws(Failure) {
        try StandardIO.write(bytes, forgetting: isGivenBack)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Hands what a stage wrote to the next one, and what that makes of it to the one after it, up to the last.
  ///
  /// A stage has given its buffer back before the stage after the next one works: a large record stands in few of them.
  private func passOn(from index: Int, to last: Int) {
    guard index < last else { return }
    for at in index..<last {
      var isLarge = false
      steps[at].handOver { bytes, _ in
        isLarge = isLarge || bytes.count > Limits.ownBuffer
        take(bytes, at + 1, upTo: last)
      }
      if isLarge { steps[at].exchange(&spare, forLarger: false) }
    }
  }

  /// Has a stage take records.
  ///
  /// What it lends of them goes on at once, while they still stand in their place.
  private func take(_ bytes: ByteSlice, _ index: Int, upTo last: Int) {
    guard index >= firstAlive else { return }
    if bytes.count > Limits.ownBuffer {
      // A backend writes what it gets elsewhere, and needs the memory for that.
      if index == backend?.index { spare.removeAll(keeping: 0) } else { steps[index].exchange(&spare, forLarger: true) }
    }
    do throws(Failure) {
      try steps[index].feed(bytes, lending: isHandedOnAtOnce(index))
    } catch {
      fail(index, error)
    }
    if index < last { steps[index].handOverLent { bytes in take(bytes, index + 1, upTo: last) } }
  }

  /// Whether what the stage writes goes to the next one before anything else happens.
  private func isHandedOnAtOnce(_ index: Int) -> Bool { index != turn && index < steps.count - 1 }

  /// A stage has failed: neither it nor those before it take anything more.
  private func fail(_ index: Int, _ failure: Failure) {
    let code = failure.exit(steps[index].log)
    if status == 0 { status = code.rawValue }
    firstAlive = max(firstAlive, index + 1)
  }

  // MARK: Memory

  var keepsMuch: Bool { spare.room > Limits.ownBuffer || steps.contains { $0.keepsMuch } }

  func giveBack() {
    for step in steps { step.giveBack() }
    spare.removeAll(keeping: 0)
  }
}

extension Failure {
  /// Tells the operator, and gives the shell its status.
  package func exit(_ log: Log) -> ExitCode {
    log.write(.error, line.map { "line \($0): \(message)" } ?? message)
    return ExitCode(kind.rawValue)
  }
}
