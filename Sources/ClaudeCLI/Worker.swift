// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// One CLI process that carries requests: one after another, each alone, where its carrier allows; else one.
final class Worker {
  private enum State {
    /// Waits for a request, its start over or not.
    case free
    case busy
    /// The answer is over; the CLI has not said yet that its turn is.
    case finishing
    /// The request was cancelled, and the CLI told to stop.
    case interrupted
    /// Told to end.
    case dying
  }

  /// How long the CLI may take, in milliseconds: to end a turn whose answer is over (10 are usual), to heed an
  /// interrupt (30 are usual), to take the settings of a request (10 are usual, 550 for 25 MB), and to end when it has
  /// closed its stdout.
  private static let times = (finish: 1_000, interrupt: 300, settings: 10_000, silent: 100)

  let key: ProcessKey
  let born = Reactor.now
  /// Requests that it was given.
  private(set) var uses = 0
  /// What the last of them needed.
  private var served: Need?
  /// Its start is over: it has answered the first frame.
  private(set) var isParked = false
  private var state = State.free
  private var turn: Turn?
  /// For the log: the request that it has, or had last.
  private var label = ""
  /// The request whose answer opens the turn's own lines, while that is awaited.
  private var settingsID: String?
  /// Frames that are still to be written, from each pause to the next.
  private var rest = Bytes()
  private var pauses: [(id: String, at: Int)] = []
  private var hasResult = false
  private var interruptID: String?
  private var timer: Reactor.Timer?
  private var transcript: String?
  private var folder: ChildFolder?
  private var child: Child?
  private let pool: Pool

  /// Starts a process.
  ///
  /// - Parameter resuming: the transcript that it goes on from, which is removed when it was read.
  init(
    _ key: ProcessKey, resuming: (transcript: String, last: String, model: ModelName)? = nil, pool: Pool
  ) throws(Failure) {
    self.key = key
    self.pool = pool
    transcript = resuming?.transcript
    var flags = Contract.flags(auth: key.auth)
    if let resuming {
      flags += Contract.resuming(resuming.transcript, last: resuming.last, model: resuming.model)
    }
    let backend = pool.backend
    let folder = try backend.files.makeFolder()
    self.folder = folder
    do throws(Failure) { child = try start(flags, in: folder) } catch {
      backend.files.remove(folder)
      throw error
    }
    if key.carrier.isReusable {
      var first = Bytes()
      first.append(initialize: [])
      child?.write(first)
    }
  }

  private func start(_ flags: [String], in folder: ChildFolder) throws(Failure) -> Child {
    let backend = pool.backend
    return try Child(
      Child.Program(
        path: key.path, arguments: flags,
        environment: ChildEnvironment.make(
          from: backend.environment, auth: key.auth, client: backend.settings.client, betas: key.betas,
          omitting: key.omitsThinking ? [Contract.noThinking] : [], folder: folder),
        directory: backend.files.neutral, lock: key.auth == .login ? backend.loginLock : nil),
      reactor: backend.reactor,
      handlers: Child.Handlers(
        line: { [unowned self] in take($0) },
        tooLong: { [unowned self] in turn?.takeTooLong() },
        errorLine: { [unowned self] in take(error: $0) },
        silent: { [unowned self] in fellSilent() },
        ended: { [self] in ended($0) }))
  }

  private var reactor: Reactor { pool.backend.reactor }
  /// Nil when it has ended.
  var pid: pid_t? { child?.pid }
  var isFree: Bool { state == .free }
  var isDying: Bool { state == .dying }
  /// It will be free in a moment, long before a new one could have started.
  var isFinishing: Bool { state == .finishing }
  /// When it last printed something, by the reactor's clock.
  var lastHeard: UInt64 { child?.lastHeard ?? 0 }

  // MARK: A request

  /// Takes a request: its lines go to the turn, until its answer is over.
  ///
  /// - Parameter freight: its frames are taken out of it: they may be large.
  func carry(_ turn: Turn, _ freight: inout Freight, for need: Need) {
    let isWarm = isParked
    served = need
    state = .busy
    uses += 1
    reactor.cancel(timer)
    self.turn = turn
    label = turn.id.text
    hasResult = false
    interruptID = nil
    if key.carrier.isReusable {
      settingsID = freight.settingsID
      if isWarm { expectAnswer() }
    }
    pauses = freight.pauses
    guard let first = pauses.first else {
      child?.write(freight.frames.take())
      return
    }
    var frames = Bytes(capacity: first.at)
    frames.append(freight.frames.slice.cut(0, first.at))
    rest = freight.frames.take()
    child?.write(frames)
  }

  /// Whether it can take such a request, once it is free.
  func suits(_ need: Need) -> Bool { served.map { need.follows($0) } ?? (key == need.key) }

  /// Ends it where it doesn't take a frame in time.
  private func expectAnswer() {
    let time = min(Self.times.settings, pool.backend.settings.idleTimeout * 500)
    wait(time) { [unowned self] in if settingsID != nil || !pauses.isEmpty { terminate() } }
  }

  /// Writes the frames up to the next pause.
  private func goOn() {
    let start = pauses.removeFirst().at
    var frames = Bytes(capacity: 4096)
    frames.append(rest.slice.cut(start, pauses.first?.at ?? rest.count))
    if pauses.isEmpty { rest.removeAll(keeping: 0) } else { expectAnswer() }
    child?.write(frames)
  }

  private func take(_ bytes: ByteSlice) {
    let line = CLILine(bytes)
    switch line {
    case .apiError, .result, .control, .event(_, .messageStart, _), .event(_, _, isAbandoned: true):
      // What it logged of the API's answer before it printed this.
      child?.readErrorsNow()
    default: break
    }
    if case .started = line { removeTranscript() }
    // Whatever it does now: the CLI tells it behind the end of an answer, too.
    if case .rateLimit(let info) = line { pool.backend.limit.take(info) }
    if case .control(let response) = line, !isParked, Scan.is("initialize", "request_id", of: response) {
      if Scan.is("error", "subtype", of: response) { return refused() }
      isParked = true
      pool.backend.installation.started()
      pool.backend.learn(from: response, version: key.version)
      return pool.parked(self)
    }
    switch state {
    case .busy:
      if let awaited = settingsID {
        // What comes before is of an earlier request.
        guard case .control(let response) = line, Scan.is(awaited, "request_id", of: response) else { return }
        settingsID = nil
        if !pauses.isEmpty { expectAnswer() }
      }
      if let pause = pauses.first {
        // Till the last frame is written, nothing is of the request's answer but a refusal.
        switch line {
        case .completed(let id) where id.text == pause.id: return goOn()
        case .control(let response) where Scan.is("error", "subtype", of: response): break
        default: return
        }
      }
      if case .result = line { hasResult = true }
      turn?.take(line)
    case .finishing:
      if case .result = line { release() }
    case .interrupted:
      if case .result = line { hasResult = true }
      if case .control(let response) = line, let id = interruptID, Scan.is(id, "request_id", of: response) {
        interruptID = nil
      }
      // Both, or the interrupt might hit the next request.
      if hasResult, interruptID == nil { release() }
    case .free, .dying: break
    }
  }

  /// Takes a line of its stderr.
  private func take(error line: ByteSlice) {
    let diagnostic = Diagnostic(line)
    switch diagnostic {
    case .notice: pool.backend.errorLines.write(line, label: label)
    case .log: pool.backend.log.write(.debug, line.cut(0, min(line.count, 600)).text, ["source": "claude"])
    default:
      // What comes before the settings are taken is of an earlier request.
      if state == .busy, settingsID == nil, pauses.isEmpty { turn?.take(diagnostic) }
    }
  }

  /// It has closed its stdout: most likely it is about to end.
  private func fellSilent() {
    _ = reactor.after(milliseconds: Self.times.silent) { [weak self] in
      guard let self, child != nil, !isDying else { return }
      turn?.processFellSilent()
      terminate()
    }
  }

  /// It doesn't take the first frame: nothing can come of it.
  private func refused() {
    pool.backend.log.write(.warning, "the Claude CLI refused its first frame")
    turn?.fail(CLIError.broken("the Claude CLI refused its settings"))
    kill()
  }

  /// The turn's answer is over.
  func answered(_ verdict: Answer.Verdict) {
    turn = nil
    guard verdict != .overAndKill else { return kill() }
    guard key.carrier.isReusable else { return end() }
    state = .finishing
    if hasResult || verdict == .overWithoutTurn { return release() }
    wait(Self.times.finish) { [unowned self] in terminate() }
  }

  /// The turn's client is gone.
  ///
  /// - Parameter hasStarted: the CLI works on it, so that it can be interrupted.
  func abandon(hasStarted: Bool) {
    turn = nil
    guard key.carrier.isReusable, hasStarted, !isDying else { return terminate() }
    state = .interrupted
    child?.write(interrupt())
    wait(Self.times.interrupt) { [unowned self] in terminate() }
  }

  /// The frame that tells it to stop its turn.
  private func interrupt() -> Bytes {
    let id = UniqueID.make()
    interruptID = id
    var frame = Bytes()
    frame.append(#"{"type":"control_request","request_id":"#)
    frame.append(quoted: id)
    frame.append(#","request":{"subtype":"interrupt"}}"#)
    frame.append("\n")
    return frame
  }

  private func release() {
    reactor.cancel(timer)
    state = .free
    pool.freed(self)
  }

  /// Calls the action after that time, unless the worker is needed before.
  func wait(_ milliseconds: Int, _ action: @escaping () -> Void) {
    reactor.cancel(timer)
    timer = reactor.after(milliseconds: milliseconds, action)
  }

  // MARK: Its end

  /// Ends it in steps; for one that does nothing.
  func end() {
    die()
    child?.end()
  }

  func terminate() {
    let wasDying = isDying
    die()
    // One that may be renewing a login is asked, and not signalled.
    if key.auth == .key { child?.terminate() } else if !wasDying { child?.end(by: interrupt()) }
  }

  private func kill() {
    die()
    child?.kill()
  }

  private func die() {
    reactor.cancel(timer)
    state = .dying
  }

  /// Waits for the end of a stopped process, until that time.
  func destroy(at time: UInt64) {
    child?.destroy(at: time)
    removeFiles()
    child = nil
    turn = nil
  }

  private func ended(_ end: Child.End) {
    reactor.cancel(timer)
    removeFiles()
    pool.endOrphans()
    let wasExpected = isDying
    state = .dying
    child = nil
    let turn = turn
    self.turn = nil
    pool.ended(self, wasExpected: wasExpected, end)
    turn?.processEnded(end)
    pool.backend.pump()
  }

  private func removeFiles() {
    removeTranscript()
    // With a key it has a configuration of its own.
    if key.auth == .login, let child { pool.backend.sessions?.remove(child.pid) }
    if let folder { pool.backend.files.remove(folder) }
    folder = nil
  }

  private func removeTranscript() {
    if let transcript { pool.backend.files.remove(transcript) }
    transcript = nil
  }
}

extension Scan {
  /// Whether the object's member of that name is exactly this string.
  fileprivate static func `is`(_ text: String, _ name: StaticString, of object: ByteSlice) -> Bool {
    plainString(member(name, of: object))?.text == text
  }
}
