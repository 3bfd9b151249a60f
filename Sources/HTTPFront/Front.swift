// SPDX-License-Identifier: MIT
import Addresses
import Glibc
import JSONText
import Logs
import NIOCore
import NIOHTTP1
import Records

/// Stands between the connections and the pipeline: knows each request under way.
///
/// All of it happens on one event loop.
final class Front {
  private(set) var settings: FrontSettings
  private(set) var log: Log
  let loop: any EventLoop
  let startedAt = NIODeadline.now()
  var metrics = Metrics()
  var runFolder = RunFolder()
  /// Where it listens: an address and a port, or a path.
  var places: [(host: String, port: Int?)] = []
  private(set) var exchanges: [RID: Exchange] = [:]
  private(set) var connections: [ObjectIdentifier: Connection] = [:]
  private var rids = RIDMaker()
  /// A `Host` field that was found to be well formed, and allowed on connections of that kind: nearly all requests
  /// have the same one.
  var goodHost: (field: String, isLocal: Bool)?
  /// Answers that got something in this wake-up.
  private var dirty: [Exchange] = []
  /// Requests that wait for a pipeline.
  private var queue: [Exchange] = []
  /// Bytes of request bodies whose answers have not begun; and those of them that were written to a pipeline.
  var bodyBytes = 0
  private(set) var submittedBytes = 0
  /// Bytes of answers that clients have not yet taken.
  var answerBytes = 0
  /// A check for clients that leave too much unread is due.
  var shedIsScheduled = false
  /// Lines of the log that wait for the end of this wake-up.
  var logLines = Bytes()
  private var tickIsScheduled = false
  /// How long we stood still, in all: the log's reader did, or the machine had no time for us.
  private var missed = TimeAmount.zero
  private(set) var isStopping = false
  /// Told when the last connection has closed.
  var onIdle: () -> Void = {}
  private(set) var supervisor: Supervisor!
  private(set) var tokens: Tokens
  private var crowd: Crowd
  /// How many descriptors this process may have, and how many it has without any client.
  private var descriptors: (limit: Int, open: Int)?
  /// When a refused connection was last worth a line in the log.
  private var lastRefusal: NIODeadline?
  /// When a line of the pipeline's that was no record was last logged, and how many came since.
  var lastComplaint: NIODeadline?
  var complaintsKept = 0

  init(_ settings: FrontSettings, loop: any EventLoop) {
    self.settings = settings
    self.loop = loop
    log = settings.log
    tokens = settings.tokens
    crowd = Crowd(most: settings.maxConnections, mostFromOne: settings.maxConnectionsPerAddress)
    supervisor = Supervisor(self)
  }

  /// Puts settings in force: for new connections and requests, but for the time-outs, which are for all.
  ///
  /// - Parameter tokens: those of the settings, and of the file that they name.
  func apply(_ settings: FrontSettings, tokens: Tokens) {
    self.settings = settings
    self.tokens = tokens
    goodHost = nil
    log = settings.log
    crowd.limit(to: mostConnections, fromOne: settings.maxConnectionsPerAddress)
  }

  /// As many as the settings allow, and as there are descriptors for.
  var mostConnections: Int {
    guard let (limit, open) = descriptors else { return settings.maxConnections }
    let possible = DescriptorBudget.connections(limit: limit, open: open, pipelines: settings.pipelines)
    return min(settings.maxConnections, possible)
  }

  /// Holds the connections to what the system lets this process open, now that all else is open.
  func limitToDescriptors() {
    let limit = DescriptorBudget.limit
    descriptors = (limit, DescriptorBudget.open)
    crowd.limit(to: mostConnections, fromOne: settings.maxConnectionsPerAddress)
    guard mostConnections < settings.maxConnections else { return }
    log.write(
      .warning, "fewer connections than MAX_CONNECTIONS are possible; raise the limit of open files (ulimit -n)",
      fields: [("possible", .number(mostConnections)), ("open_files", .number(limit))])
  }

  func newRID() -> RID { rids.next() }

  // MARK: Connections

  /// Whether a connection has room; it then ends with ``closed(_:address:)``.
  ///
  /// - Parameter address: nil for one that counts only in all.
  func enter(_ address: String?) -> Bool {
    if crowd.enter(address) { return true }
    refused("connections are refused", fields: [("peer", .text(address ?? "any"))])
    return false
  }

  /// Says now and then that connections can't be taken.
  func refused(_ message: String, fields: [(name: String, value: Log.Value)] = []) {
    let now = NIODeadline.now()
    guard lastRefusal.map({ now - $0 > .seconds(FrontLimits.refusalPause) }) ?? true else { return }
    lastRefusal = now
    log.write(.warning, message, fields: [("open", .number(crowd.count))] + fields)
  }

  /// The client under which a peer's connections are counted; nil for this machine and for proxies, which bring many.
  func client(counted peer: String) -> String? {
    guard case .address(let address) = Peer(peer), !address.isLoopback, !settings.proxies.trusts(peer) else {
      return nil
    }
    return address.client
  }

  func opened(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = connection
    scheduleTick()
    if isStopping { connection.quiesce() }
  }

  func closed(_ connection: Connection, address: String?) {
    crowd.leave(address)
    connections[ObjectIdentifier(connection)] = nil
    if connections.isEmpty { onIdle() }
  }

  var isIdle: Bool { connections.isEmpty }

  /// Lets the answers under way come to their ends, and takes no more requests.
  func quiesce() {
    isStopping = true
    for connection in connections.values { connection.quiesce() }
  }

  /// Fails what is still under way.
  func cancelAll() {
    for exchange in exchanges.values {
      exchange.keepsConnection = false
      fail(exchange, .stopping)
    }
  }

  // MARK: Requests

  func open(_ head: HTTPRequestHead, peer: String, connection: Connection) -> Exchange {
    let target = RequestTarget(head.uri)
    let match = settings.routes.find(head.method, target.path)
    var dialect = Dialect.anthropic
    if case .found(let route, _, let named) = match {
      dialect = route.op == .messages && named == .auto ? settings.chatCompletionsDialect : named
    }
    let forwarded = head.headers["x-forwarded-for"]
    let exchange = Exchange(
      rid: rids.next(), head: head, target: target, match: match, dialect: dialect,
      peer: settings.proxies.client(of: peer, forwarded: forwarded), connection: connection,
      timeout: settings.requestTimeout)
    exchanges[exchange.rid] = exchange
    metrics.tell(inFlight: exchanges.count)
    scheduleTick()
    return exchange
  }

  /// Counts a body no longer: its answer has begun, or nobody waits for one.
  func releaseBody(of exchange: Exchange) {
    bodyBytes -= exchange.bodyBytes
    if exchange.isBodySubmitted { submittedBytes -= exchange.bodyBytes }
    exchange.bodyBytes = 0
    forgetRecord(of: exchange)
  }

  private func forgetRecord(of exchange: Exchange) {
    exchange.record = ByteBuffer()
    exchange.check = nil
  }

  /// Sends a request on its way.
  func submit(_ exchange: Exchange) {
    guard let pipeline = supervisor.current else {
      exchange.stage = .queued
      queue.append(exchange)
      loop.assumeIsolated().scheduleTask(in: .milliseconds(FrontLimits.restartWait)) { [self] in
        if exchange.stage == .queued { fail(exchange, .pipelineDown) }
      }
      return
    }
    exchange.stage = .submitted
    exchange.submittedAt = .now()
    exchange.pipeline = pipeline
    pipeline.open += 1
    // When it is whole, not when it began: or who holds many back could send them later by earlier limits. The number of
    // digits stays the same for centuries.
    exchange.record.setString(String(microseconds()), at: exchange.timeAt)
    pipeline.write(exchange.record)
    exchange.isBodySubmitted = true
    submittedBytes += exchange.bodyBytes
    forgetRecord(of: exchange)
  }

  /// A new pipeline is there: what waited for it goes on.
  func submitQueue() {
    let waiting = queue
    queue.removeAll()
    for exchange in waiting where exchange.stage == .queued { submit(exchange) }
  }

  /// Ends an answer that can't be completed.
  func fail(_ exchange: Exchange, _ error: APIError) {
    guard exchange.stage != .ended else { return }
    if exchange.stage == .arriving { exchange.keepsConnection = false }
    exchange.connection?.fail(exchange, error)
  }

  func clientGone(_ exchange: Exchange) {
    // nginx's status for it; it goes to the log and the metrics only.
    if exchange.stage != .answering { exchange.status = 499 }
    // Who has got all of an answer may leave before we know that it was all.
    if !exchange.isDelivered { exchange.errorType = "client_gone" }
    finished(exchange)
  }

  /// Nothing will come of that pipeline any more.
  func pipelineEnded(_ pipeline: Pipeline) {
    for exchange in exchanges.values where exchange.pipeline === pipeline { fail(exchange, .pipelineEnded) }
  }

  /// Fails the requests that a pipeline got after a time, and that it has not begun to answer.
  func failWaiting(in pipeline: Pipeline, since: NIODeadline) {
    for exchange in exchanges.values
    where exchange.pipeline === pipeline && exchange.stage == .submitted && exchange.submittedAt > since {
      fail(exchange, .pipelineStuck)
    }
  }

  /// Takes leave of a request: its answer has ended, one way or another.
  func finished(_ exchange: Exchange) {
    guard exchange.stage != .ended else { return }
    exchange.stage = .ended
    exchange.connection = nil
    exchanges[exchange.rid] = nil
    metrics.tell(inFlight: exchanges.count)
    releaseBody(of: exchange)
    exchange.endedAt = .now()
    guard let pipeline = exchange.pipeline else { return record(exchange) }
    exchange.pipeline = nil
    pipeline.open -= 1
    // After an error the stages behind the one that failed have said their last; the backend may still be at work.
    let failed = exchange.status >= 400 || exchange.account.error != nil
    if pipeline.takesRecords, failed || !exchange.hasEnd { cancel(exchange.rid, in: pipeline) }
    if pipeline.takesRecords, !exchange.hasEnd {
      // Its `end` will say what it has cost; the log waits for it.
      pipeline.cancelled[exchange.rid] = (exchange, .now() + .seconds(FrontLimits.cancelTimeout))
      scheduleTick()
    } else {
      record(exchange)
    }
    pipeline.endIfDrained()
  }

  private func cancel(_ rid: RID, in pipeline: Pipeline) {
    var text = Bytes()
    RequestRecord.cancel(rid, into: &text)
    pipeline.write(ByteBuffer(bytes: text.slice))
  }

  /// The cancelled requests of a pipeline will get no `end` any more.
  func recordCancelled(of pipeline: Pipeline) {
    let left = pipeline.cancelled.values
    pipeline.cancelled.removeAll()
    for cancelled in left { record(cancelled.exchange) }
  }

  // MARK: What is gathered in a wake-up

  @inline(__always)
  func mark(_ exchange: Exchange) {
    guard !exchange.isDirty else { return }
    exchange.isDirty = true
    dirty.append(exchange)
  }

  /// Writes to each client what has come for it.
  func flush() {
    guard !dirty.isEmpty else { return }
    for exchange in dirty {
      exchange.isDirty = false
      guard exchange.stage == .answering, !exchange.collects, let connection = exchange.connection else { continue }
      connection.flush(exchange)
    }
    dirty.removeAll(keepingCapacity: true)
  }

  // MARK: Time

  private func scheduleTick() {
    guard !tickIsScheduled else { return }
    tickIsScheduled = true
    // One coarse timer for all: no request pays for one of its own.
    let pause = TimeAmount.milliseconds(500)
    let due = NIODeadline.now() + pause
    loop.assumeIsolated().scheduleTask(in: pause) { [self] in
      tickIsScheduled = false
      let now = NIODeadline.now()
      if now - due > pause { missed = missed + (now - due) }
      tick(now)
      if !connections.isEmpty || !exchanges.isEmpty || supervisor.awaitsEnds { scheduleTick() }
    }
  }

  /// The time that clients are given, which stands still while we do: what they sent meanwhile is still to be read.
  var patientNow: NIODeadline { .now() - missed }

  private func tick(_ now: NIODeadline) {
    let patientNow = now - missed
    for exchange in exchanges.values {
      if exchange.deadline <= now {
        fail(exchange, .timeout)
      } else if exchange.stage == .answering, let connection = exchange.connection {
        let taken = exchange.bytesOut - connection.bytesWritten
        if taken > exchange.taken.bytes || connection.bytesWaiting == 0 {
          exchange.taken = (taken, patientNow)
        } else if patientNow - exchange.taken.at > .seconds(FrontLimits.maxStall) {
          connection.abandon(exchange)
          continue
        }
        if exchange.isEventStream, !exchange.collects, exchange.pending.isEmpty,
          now - exchange.lastWrite >= .seconds(FrontLimits.keepAlive)
        {
          // A comment of one line. An empty line after it would end an event, and some clients take that for an empty one.
          exchange.pending.append(":\n")
          connection.flush(exchange)
        }
      }
    }
    for connection in connections.values {
      if connection.counted > 0 { connection.recount() }
      connection.tryHeld(patientNow)
      connection.checkPatience(patientNow)
    }
    supervisor.checkCancelled(now)
    supervisor.checkHealth(now)
  }
}
