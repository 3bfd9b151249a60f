// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Logs
import Models
import Reactor
import Records
import SharedFile

/// Answers requests by way of the Claude Code CLI.
package final class ClaudeBackend: Backend {
  package struct Settings: Sendable {
    /// The CLI that the operator named, and the one that set-up left.
    package var cli: String?
    package var fallbackCLI: String?
    /// Nil: the login if there is one, else the key.
    package var auth: Auth?
    /// Nil: what the table says (``Carrier/of(_:wish:_:)``).
    package var carrier: Carrier?
    /// Where private files go: a directory of this user's with mode 0700, made where it isn't there.
    package var runDirectory: String
    package var limits = ExecLimits()
    package var declining = Declining()
    /// Any loss is a 400.
    package var isStrict = false

    package init(runDirectory: String) { self.runDirectory = runDirectory }

    /// Names us in the user agent.
    var client: String { "claude-exec/\(Product.version)" }
    var maxProcesses: Int { limits.maxProcesses }
    var queueTimeout: Int { limits.queueTimeout }
    var idleTimeout: Int { limits.idleTimeout }
    var requestTimeout: Int { limits.requestTimeout }
  }

  let settings: Settings
  let reactor: Reactor
  let log: Log
  let environment: [String: String]
  let files: RunDirectory
  /// Nil where no owner's configuration is used.
  let sessions: SessionFiles?
  /// Nil where no login is used.
  let loginLock: LoginLock?
  let installation: Installation
  private let port: Port
  private var models: ModelTable
  /// The version of the CLI whose models are among ``models``.
  private var learntFrom: String?
  let limit = LoginLimit()
  private(set) lazy var errorLines = ErrorLog(self)
  /// Requests without `end`.
  private var turns: [RequestID: Turn] = [:]
  private var queue = Queue<Turn>()
  /// Of those in line, the ones whose bytes count.
  private var waiting: Set<RequestID> = []
  private var waitingBytes = 0
  private(set) lazy var pool = Pool(self)
  /// Why no private file can be written, as the last health request found; nil where one can.
  private var filesFault: String?
  private var waitingForHealth: [(id: RequestID, ctx: String, line: String)] = []

  /// - Throws: where the private directory can't be made.
  package init(
    _ settings: Settings, models: ModelTable, environment: [String: String], port: Port, reactor: Reactor, log: Log
  ) throws(Failure) {
    self.settings = settings
    self.environment = environment
    self.reactor = reactor
    self.log = log
    self.port = port
    self.models = models
    files = try RunDirectory(under: settings.runDirectory)
    sessions = settings.auth == .key ? nil : SessionFiles(environment, neutral: files.neutral)
    sessions?.sweep()
    loginLock = settings.auth == .key ? nil : LoginLock(environment)
    Orphans.adopt()
    let finder = Finder(
      named: settings.cli, fallback: settings.fallbackCLI, environment: environment, directory: Self.currentDirectory)
    installation = Installation(
      finder, wish: settings.auth, environment: environment, client: settings.client, directory: files.neutral,
      reactor: reactor, log: log)
    installation.changed = { [unowned self] in
      answerHealth()
      if case .ready(let cli) = installation.state, cli.isAuthenticated {
        if let carrier = Carrier.ahead(cli.auth, wish: settings.carrier) { pool.expect(ProcessKey(cli, carrier)) }
      }
      pump()
    }
    files.remade = { [unowned self] in pool.retireIdle() }
    installation.refresh()
  }

  private static var currentDirectory: String {
    guard let path = getcwd(nil, 0) else { return "/" }
    defer { free(path) }
    return String(cString: path)
  }

  /// Writes records.
  func write<R>(_ body: (inout Output) -> R) -> R { body(&port.output) }

  // MARK: Requests

  package var inFlight: Int { turns.count + waitingForHealth.count }
  package var declining: Declining { settings.declining }

  package func take(_ line: Line) throws(APIError) {
    switch Operation(of: line.ctx) {
    case .messages: try takeMessages(line)
    case .models: respond(line, models.list())
    case .model:
      let name = line.ctx.flatMap { Scan.plainString(Scan.member("model_id", of: $0)) }
      guard let entry = models.entry(name?.text ?? "") else {
        throw APIError(status: 404, "model: \(name?.text ?? "")", param: "model")
      }
      respond(line, entry)
    case .countTokens: try takeMessages(line, isCount: true)
    case .health:
      waitingForHealth.append((line.id, line.ctx?.text ?? "{}", line.bytes.text))
      checkFiles()
      installation.refreshForHealth()
      answerHealth()
    // The runner has refused them.
    case .other: break
    }
  }

  /// Takes the CLI's answer to its first frame: it names the models that its login, or a key, may ask.
  func learn(from initialize: ByteSlice, version: String) {
    guard learntFrom != version, let known = (try? JSON.parse(initialize))?["response"]?["models"] else { return }
    learntFrom = version
    for model in Array(known.elements).reversed() {
      guard let id = model["resolvedModel"]?.string, let name = ModelName(id) else { continue }
      models.learn(name.text, displayName: model["displayName"]?.string)
    }
  }

  private func takeMessages(_ line: Line, isCount: Bool = false) throws(APIError) {
    let id = line.id
    guard turns[id] == nil else {
      log.write(.warning, "a rid came twice", ["id": id.text])
      return
    }
    guard turns.count < Limits.maxOpen else {
      throw APIError(status: 529, "too many requests wait", headers: [("retry-after", "5")])
    }
    let turn = try Turn(id, line: line, isCount: isCount, backend: self)
    turns[id] = turn
    queue.append(turn)
    turn.wait()
    // The CLI is tried in a folder of ours: without it, it would seem not to be there. What fails is told when the request
    // goes to a process.
    try? files.ensure()
    installation.refresh()
    if line.bytes.count <= Limits.ownBuffer {
      pump()
    } else {
      // Not while the line stands in the buffer of the input too.
      _ = reactor.after(milliseconds: 0) { [unowned self] in pump() }
    }
    hold(turn)
  }

  /// Has a request that must wait hold its bytes alone, and not too many of them with those before it.
  private func hold(_ turn: Turn) {
    guard queue.last === turn else { return }
    turn.rest()
    waiting.insert(turn.id)
    guard waiting.count > 1, waitingBytes + turn.size > settings.limits.maxBuffered else {
      waitingBytes += turn.size
      return
    }
    waiting.remove(turn.id)
    _ = queue.remove(turn)
    turn.fail(
      APIError(
        status: 529, "the requests that wait for the Claude CLI hold more than \(settings.limits.maxBuffered) bytes",
        headers: [("retry-after", "5")]))
  }

  /// It doesn't wait any more.
  private func went(_ turn: Turn) {
    if waiting.remove(turn.id) != nil { waitingBytes -= turn.size }
  }

  package func cancel(_ id: RequestID) -> Bool {
    guard let turn = turns[id] else { return false }
    leave(turn)
    turn.cancel()
    return true
  }

  func leave(_ turn: Turn) {
    went(turn)
    _ = queue.remove(turn)
  }

  private func next() -> Turn? {
    let turn = queue.next()
    if let turn { went(turn) }
    return turn
  }

  /// Whether someone waits for a process.
  var hasLine: Bool { !queue.isEmpty }

  /// Starts what can be started.
  func pump() {
    while let turn = queue.first {
      switch installation.state {
      case .probing: return
      case .unusable(let error, _): next()?.fail(error)
      case .ready(let cli):
        guard let need = turn.need(cli) else {
          leave(turn)
          continue
        }
        guard pool.hasRoom(for: need, isFresh: turn.wantsFresh) else { return }
        next()?.start(need)
      }
    }
  }

  /// The turn's process died before it did anything for it.
  func repeatTurn(_ turn: Turn) {
    log.write(.warning, "a waiting CLI process had died; the request goes to a new one", ["id": turn.id.text])
    queue.putBack(turn)
    turn.wait()
  }

  /// The turn's answer is over.
  func settled(_ turn: Turn) {
    turns[turn.id] = nil
  }

  /// Ends all work: children and files.
  package func stop() {
    installation.stop()
    for turn in turns.values { turn.stop() }
    pool.stop()
    turns = [:]
    // At our start, what was killed with the one before us may not have been dead.
    sessions?.sweep()
    files.removeAll()
  }

  // MARK: Answers without a process

  private func respond(_ line: Line, _ body: JSON) {
    respond(line.rid, isBare: line.isBare, ctx: line.ctx, status: 200, body)
  }

  private func respond(_ rid: ByteSlice, isBare: Bool, ctx: ByteSlice?, status: Int, _ body: JSON) {
    write { out in
      out.record(.begin, of: rid, isBare: isBare, ctx: ctx) {
        $0.append(#"{"status":"#)
        $0.append(decimal: status)
        $0.append(#","headers":{}}"#)
      }
      out.record(.response, of: rid, isBare: isBare) { $0.append(body) }
      out.record(.end, of: rid, isBare: isBare) { $0.append(JSON(object: ["login_limit": limit.summary])) }
    }
  }

  /// Looks whether private files can be written: without them no request can be served.
  private func checkFiles() {
    do throws(Failure) {
      try files.check()
      filesFault = nil
    } catch {
      let fault = PrivateFolder.fault(error)
      if fault != filesFault { log.write(.error, error.message) }
      filesFault = fault
    }
  }

  private func answerHealth() {
    if case .probing = installation.state { return }
    let now = time(nil)
    var report = installation.health(at: now)
    report.error = report.error ?? filesFault
    let failure = installation.failure ?? filesFault.map { APIError(status: 503, $0) }
    for (id, ctx, line) in waitingForHealth {
      var rid = id.text
      var ctx = ctx
      var line = line
      if let failure, declining.covers(failure.status) {
        // Whether requests are served is the next backend's to say.
        line.withUTF8 { line in write { $0.handOn(line, of: id, status: failure.status) } }
        continue
      }
      rid.withUTF8 { rid in
        ctx.withUTF8 { ctx in
          respond(rid, isBare: id.isBare, ctx: ctx, status: report.status, report.body(time: now))
        }
      }
    }
    waitingForHealth = []
  }
}

/// What bounds the work, in one place.
package struct ExecLimits: Sendable {
  /// CLI processes at once: each takes 160 to 230 MB.
  package var maxProcesses = 16
  /// Of them, those that are started before they are asked for: enough for a client that asks two things at once.
  package var warmProcesses = 2
  /// Seconds that a process beyond those waits for another request.
  package var idleProcessTime = 60
  /// Requests for one process, then it ends: its memory grows by about 2 MB with each.
  package var maxUses = 50
  /// Seconds that a process may be used: an updated CLI is taken, and what leaks is given back.
  package var maxAge = 600
  /// Milliseconds before a missing process is started ahead: behind what is asked for now; and behind a failed start.
  package var pauses = (refill: 100, failed: 30_000)
  /// Bytes that the requests in line may hold together.
  package var maxBuffered = 256 << 20
  /// Lines of the CLI's stderr that go into the log in a minute.
  package var maxErrorLines = 60
  /// Seconds that a request may wait for a process.
  package var queueTimeout = 30
  /// Seconds that the CLI may be silent: what a load balancer commonly allows, twice.
  package var idleTimeout = 120
  /// Seconds for a whole answer: the SDKs' own limit.
  package var requestTimeout = 600

  package init() {}
}
