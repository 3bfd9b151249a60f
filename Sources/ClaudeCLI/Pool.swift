// SPDX-License-Identifier: MIT
import Glibc
import Logs
import Reactor
import Records

/// The CLI processes: as many as are allowed, some of them started before they are asked for.
final class Pool {
  unowned let backend: ClaudeBackend
  private(set) var workers: [Worker] = []
  /// Those that wait for a request, the one that was used last at the end.
  private var idle: [Worker] = []
  /// What the last request needed: the next one will likely need the same.
  private var wanted: Need?
  private var refilling: Reactor.Timer?
  private var orphans: Reactor.Timer?
  private var isStopped = false

  init(_ backend: ClaudeBackend) { self.backend = backend }

  private var limits: ExecLimits { backend.settings.limits }
  private var reactor: Reactor { backend.reactor }

  // MARK: For a request

  /// Whether a request can be given a process now; where not, one that nobody needs makes room.
  ///
  /// - Parameter isFresh: the process must be a new one.
  func hasRoom(for need: Need, isFresh: Bool) -> Bool {
    if !isFresh {
      if idle.contains(where: { $0.isParked && $0.suits(need) }) { return true }
      // Free in a moment: sooner than one whose start is under way.
      if workers.contains(where: { $0.isFinishing && $0.suits(need) }) { return false }
      if idle.contains(where: { $0.suits(need) }) { return true }
    }
    if workers.count < limits.maxProcesses { return true }
    if !workers.contains(where: { $0.isDying }) { retire(idle.first) }
    return false
  }

  /// A process that waits, if there is one.
  func idleWorker(for need: Need) -> Worker? {
    guard
      let index = idle.lastIndex(where: { $0.suits(need) && $0.isParked }) ?? idle.lastIndex(where: { $0.suits(need) })
    else { return nil }
    return idle.remove(at: index)
  }

  func start(
    _ key: ProcessKey, resuming: (transcript: String, last: String, model: ModelName)? = nil
  ) throws(Failure) -> Worker {
    let worker = try Worker(key, resuming: resuming, pool: self)
    workers.append(worker)
    return worker
  }

  /// A request with that need was given its process.
  func used(_ need: Need) {
    guard need.key.carrier.isReusable else { return }
    wanted = need
    refill()
  }

  // MARK: What becomes of a process

  /// Its start is over.
  func parked(_ worker: Worker) {
    refill()
  }

  /// Its turn is over, and it can take another request.
  func freed(_ worker: Worker) {
    guard !isStopped else { return }
    if worker.uses >= limits.maxUses || isOld(worker) {
      worker.end()
    } else {
      idle.append(worker)
      watch(worker)
    }
    backend.pump()
  }

  /// Ends processes that outlived their CLI: a little later, for all CLIs that ended meanwhile.
  func endOrphans() {
    guard orphans == nil, !isStopped else { return }
    orphans = reactor.after(milliseconds: limits.pauses.refill) { [unowned self] in
      orphans = nil
      Orphans.end()
    }
  }

  func ended(_ worker: Worker, wasExpected: Bool, _ end: Child.End) {
    workers.removeAll { $0 === worker }
    idle.removeAll { $0 === worker }
    guard !isStopped, worker.key.carrier.isReusable else { return }
    if !wasExpected, !worker.isParked { backend.installation.startFailed(end.description) }
    if !wasExpected, worker.uses == 0 {
      backend.log.write(.warning, "a CLI process that was started ahead has ended (\(end))")
    }
    // What dies while it starts would die again.
    refill(after: worker.uses == 0 && !worker.isParked ? limits.pauses.failed : limits.pauses.refill)
  }

  private func isOld(_ worker: Worker) -> Bool {
    Reactor.now - worker.born >= UInt64(limits.maxAge) * 1_000_000_000
  }

  private func retire(_ worker: Worker?) {
    guard let worker else { return }
    idle.removeAll { $0 === worker }
    worker.end()
  }

  /// Ends all that wait for a request.
  func retireIdle() {
    for worker in idle { retire(worker) }
  }

  /// Ends it when it has waited long, unless it is one of those that are wanted.
  private func watch(_ worker: Worker) {
    worker.wait(limits.idleProcessTime * 1_000) { [unowned self, unowned worker] in
      let kept = idle.filter { isWanted($0) }.suffix(limits.warmProcesses)
      if kept.contains(where: { $0 === worker }), worker.isParked, !isOld(worker) { return watch(worker) }
      retire(worker)
      refill()
    }
  }

  // MARK: Starting ahead

  /// Sets what is wanted before there was any request.
  func expect(_ key: ProcessKey) {
    if let known = wanted?.key, (known.path, known.version, known.auth) == (key.path, key.version, key.auth) { return }
    wanted = Need(key: key, caller: nil, hasSystem: true)
    refill()
  }

  private func isWanted(_ worker: Worker) -> Bool { wanted.map { worker.suits($0) } ?? false }

  /// Starts what is missing, when there is time.
  private func refill(after milliseconds: Int? = nil) {
    guard refilling == nil, !isStopped, limits.warmProcesses > 0 else { return }
    refilling = reactor.after(milliseconds: milliseconds ?? limits.pauses.refill) { [unowned self] in
      refilling = nil
      refillNow()
    }
  }

  private func refillNow() {
    guard let wanted, !isStopped, !backend.hasLine, workers.count < limits.maxProcesses else { return }
    let ready = idle.filter { isWanted($0) }
    // One at a time: each start takes a processor for a quarter of a second.
    guard ready.count < limits.warmProcesses, workers.allSatisfy({ $0.isParked || $0.isDying }) else { return }
    if idle.count >= 2 * limits.warmProcesses { retire(idle.first { !isWanted($0) }) }
    do throws(Failure) {
      let worker = try start(wanted.key)
      idle.insert(worker, at: 0)
      watch(worker)
    } catch {
      backend.log.write(.warning, error.message)
      refill(after: limits.pauses.failed)
    }
  }

  // MARK: The end

  /// Ends all of them.
  func stop() {
    isStopped = true
    reactor.cancel(refilling)
    let last = workers
    for worker in last { worker.terminate() }
    let deadline = Reactor.now + UInt64(Child.steps.terminated) * 1_000_000
    for worker in last { worker.destroy(at: deadline) }
    Orphans.end()
    workers = []
    idle = []
  }
}
