// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// One request on its way: in line, then carried by a process, then over.
final class Turn {
  let id: RequestID
  /// The record as it came, until the CLI works on it and, where there is a next backend, until the answer has begun.
  private var line: Bytes
  /// What the line says, taken apart: only while the turn is taken in or started, because a tree is much larger.
  private var request: MessagesRequest?
  private let ctx: Bytes
  /// What a process must be for it, and how its answer goes.
  private let outline: Outline
  private let came = Reactor.now
  private let backend: ClaudeBackend
  private var answer: Answer?
  private(set) var isOver = false
  private var worker: Worker?
  /// When it was given to the worker.
  private var carriedAt: UInt64 = 0
  /// The CLI works on it: from here on it may have asked the upstream.
  private var hasStarted = false
  /// Whether the worker had waited for a request, so that it may have been dead already.
  private var isOnWaiting = false
  /// It failed on a process that had waited, and must have a new one.
  private(set) var wantsFresh = false
  private var deadline: Reactor.Timer?
  private var idle: Reactor.Timer?

  /// What is known of a request without its body.
  private struct Outline {
    let isCount, isReplayable, hasSystem, omitsThinking: Bool
    let betas: [String]
    let caller: String?

    init(_ request: MessagesRequest) {
      (isCount, betas, caller) = (request.isCount, request.betas, request.caller)
      (isReplayable, hasSystem, omitsThinking) = (request.isReplayable, request.hasSystem, request.omitsThinking)
    }
  }

  /// - Throws: the API's own answer to a body that lacks what every request must have.
  init(_ id: RequestID, line given: Line, isCount: Bool, backend: ClaudeBackend) throws(APIError) {
    var line = Bytes(capacity: given.bytes.count)
    line.append(given.bytes)
    let start = given.payload.baseAddress! - given.bytes.baseAddress!
    // The long strings of its tree stay in the line, which a cut of an owner that moves still has where it was.
    let request = try MessagesRequest(
      payload: line.slice.cut(start, start + given.payload.count), ctx: given.ctx, isCount: isCount, lends: true)
    var ctx = Bytes()
    if let given = given.ctx { ctx.append(given) } else { ctx.append("{}") }
    self.id = id
    self.request = request
    outline = Outline(request)
    self.ctx = ctx
    self.line = line
    self.backend = backend
  }

  /// The bytes that it holds while it waits.
  var size: Int { line.count }

  /// Frees the parts of the line that can be made again.
  func rest() { request = nil }

  /// The request, taken apart; nil where it has gone.
  private func parse() -> MessagesRequest? {
    if let request { return request }
    guard !line.isEmpty, let line = Line(scanning: line.slice) else { return nil }
    return try? MessagesRequest(payload: line.payload, ctx: ctx.slice, isCount: outline.isCount, lends: true)
  }

  /// Forgets the line, unless it may still have to be handed on.
  private func release(hasBegun: Bool) {
    if hasBegun || !backend.declining.isOn && hasStarted { line.removeAll(keeping: 0) }
  }

  private var settings: ClaudeBackend.Settings { backend.settings }
  private var reactor: Reactor { backend.reactor }

  /// Sets the time by which a process must be free.
  func wait() {
    deadline = reactor.after(milliseconds: settings.queueTimeout * 1_000) { [unowned self] in
      backend.leave(self)
      fail(
        APIError(
          status: 529, "all \(settings.maxProcesses) processes of the proxy are busy",
          headers: [("retry-after", "5")]))
    }
  }

  // MARK: Its process

  /// What its process must be like.
  func need(_ cli: Installation.CLI) -> Need? {
    guard !line.isEmpty else { return nil }
    let carrier = Carrier.of(
      cli.auth, wish: settings.carrier, isCount: outline.isCount, isReplayable: outline.isReplayable)
    var key = ProcessKey(cli, carrier)
    (key.betas, key.omitsThinking) = (outline.betas, outline.omitsThinking)
    return Need(key: key, caller: outline.caller, hasSystem: carrier == .replay && outline.hasSystem)
  }

  /// Goes to a process: one that waits, or a new one.
  func start(_ need: Need) {
    reactor.cancel(deadline)
    guard let request = parse() else { return fail(APIError(status: 500, "the request is gone")) }
    defer { rest() }
    let key = need.key
    if key.carrier != .verbatim {
      do throws(APIError) { try request.checkTurns() } catch { return fail(error) }
    }
    var freight = Freight(request, carrier: key.carrier, auth: key.auth, makeID: UniqueID.make)
    var losses = LossLedger()
    for loss in freight.losses { losses.add(loss.field, loss.fate) }
    if settings.isStrict, !losses.isEmpty {
      return fail(.invalid("the Claude CLI can't carry this request exactly: \(losses.list)"))
    }
    var context = Bytes(capacity: ctx.count + 64)
    context.append(object: ctx.slice, adding: losses)
    var traits = request.traits
    traits.isStrict = settings.isStrict
    answer = Answer(
      id, ctx: context, wantsStream: request.wantsStream, count: request.isCount ? TokenCount(request) : nil,
      auth: key.auth, traits: traits, declining: backend.declining, limit: backend.limit)
    do throws(Failure) {
      let worker = try worker(for: need, request, freight)
      self.worker = worker
      carriedAt = Reactor.now
      worker.carry(self, &freight, for: need)
    } catch {
      backend.log.write(.error, error.message, ["id": id.text])
      return fail(APIError(status: 500, "the proxy could not start the Claude CLI"))
    }
    // Only a process that had waited may be dead already, so that the request goes to another.
    if !isOnWaiting, !backend.declining.isOn { line.removeAll(keeping: 0) }
    if !outline.isCount { backend.pool.used(need) }
    deadline = reactor.after(milliseconds: settings.requestTimeout * 1_000) { [unowned self] in
      give(APIError(status: 504, "the answer took longer than \(settings.requestTimeout) s"))
    }
    watchSilence()
  }

  private func worker(
    for need: Need, _ request: MessagesRequest, _ freight: borrowing Freight
  ) throws(Failure) -> Worker {
    isOnWaiting = false
    try backend.files.ensure()
    guard need.key.carrier == .native else {
      if !wantsFresh, let waiting = backend.pool.idleWorker(for: need) {
        isOnWaiting = true
        return waiting
      }
      return try backend.pool.start(need.key)
    }
    let file = try backend.files.write(freight.transcript, named: "\(UniqueID.make()).jsonl")
    do throws(Failure) {
      return try backend.pool.start(need.key, resuming: (file, freight.last, request.model))
    } catch {
      backend.files.remove(file)
      throw error
    }
  }

  /// Takes a line that its process printed for it.
  func take(_ line: CLILine) {
    guard !isOver else { return }
    if case .started = line {
      hasStarted = true
      backend.installation.started()
      release(hasBegun: false)
    }
    let elapsed = Int((Reactor.now - came) / 1_000_000)
    settle(backend.write { answer?.take(line, elapsed: elapsed, now: time(nil), to: &$0) ?? .more })
  }

  /// Takes what its process has logged of its requests to the API.
  func take(_ diagnostic: Diagnostic) {
    guard !isOver else { return }
    settle(backend.write { answer?.take(diagnostic, to: &$0) ?? .more })
  }

  /// Goes on where the answer is over.
  private func settle(_ verdict: Answer.Verdict) {
    if answer?.hasBegun == true { release(hasBegun: true) }
    guard verdict != .more else { return }
    if let failure = answer?.failure {
      if failure.status == 401 { backend.installation.doubt() }
    } else {
      backend.installation.trust()
    }
    // First the process, so that the next request may wait for it.
    isOver = true
    worker?.answered(verdict)
    settle()
  }

  func takeTooLong() {
    give(CLIError.broken("the Claude CLI wrote a line of more than \(Limits.maxLine >> 20) MiB"))
  }

  /// Its process has died under it.
  func processEnded(_ end: Child.End) {
    guard !isOver else { return }
    worker = nil
    guard !isOnWaiting || hasStarted || wantsFresh else {
      // Nothing was asked of the upstream, and nothing said to the client.
      wantsFresh = true
      answer = nil
      reactor.cancel(deadline)
      reactor.cancel(idle)
      return backend.repeatTurn(self)
    }
    if !hasStarted { backend.installation.startFailed(end.description) }
    fail(CLIError.broken("the Claude CLI ended before the answer was complete (\(end))"))
  }

  /// Its process has closed its stdout, and still runs.
  func processFellSilent() {
    give(CLIError.broken("the Claude CLI closed its output before the answer was complete"))
  }

  // MARK: Its end

  private func watchSilence() {
    guard let worker else { return }
    let limit = UInt64(settings.idleTimeout) * 1_000_000_000
    idle = reactor.at(max(worker.lastHeard, carriedAt) + limit) { [unowned self] in
      guard Reactor.now < max(worker.lastHeard, carriedAt) + limit else {
        return give(APIError(status: 504, "the Claude CLI was silent for \(settings.idleTimeout) s"))
      }
      watchSilence()
    }
  }

  /// Gives up: an error for the client, and the process is stopped.
  private func give(_ error: APIError) {
    let worker = worker
    fail(error)
    worker?.terminate()
  }

  /// Answers with an error, where the answer isn't over.
  func fail(_ error: APIError) {
    guard !isOver else { return }
    backend.write { out in
      if answer != nil {
        answer?.fail(error, to: &out)
      } else if backend.declining.covers(error.status) {
        out.handOn(line.slice, of: id, status: error.status)
      } else {
        out.error(error, of: id, ctx: ctx.slice)
        out.end(id)
      }
    }
    settle()
  }

  /// The client is gone.
  func cancel() {
    guard !isOver else { return }
    backend.write { $0.record(.end, of: id) { $0.append(#"{"cancelled":true}"#) } }
    let worker = worker
    settle()
    worker?.abandon(hasStarted: hasStarted)
  }

  /// Nothing more is written.
  func stop() {
    isOver = true
    reactor.cancel(deadline)
    reactor.cancel(idle)
  }

  private func settle() {
    isOver = true
    if answer?.isDeclined == true {
      backend.write { $0.handOn(line.slice, of: id, status: answer?.failure?.status ?? 0) }
    }
    line.removeAll(keeping: 0)
    worker = nil
    request = nil
    reactor.cancel(deadline)
    reactor.cancel(idle)
    backend.settled(self)
  }
}
