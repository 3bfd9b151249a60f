// SPDX-License-Identifier: MIT
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
  /// Where it listens: an address and a port, or a path.
  var places: [(host: String, port: Int?)] = []
  private(set) var exchanges: [RID: Exchange] = [:]
  private var connections: [ObjectIdentifier: Connection] = [:]
  private var rids = RIDMaker()
  /// A `Host` field that was found to be well formed, and allowed on connections of that kind: nearly all requests
  /// have the same one.
  var goodHost: (field: String, isLocal: Bool)?
  /// Answers that got something in this wake-up.
  private var dirty: [Exchange] = []
  /// Requests that wait for a pipeline.
  private var queue: [Exchange] = []
  /// Bytes of request bodies that have not been written to a pipeline.
  private var bodyBytes = 0
  /// Bytes of answers that clients have not yet taken.
  private var answerBytes = 0
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
  /// When a refused connection was last worth a line in the log.
  private var lastRefusal: NIODeadline?

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
    crowd.limit(to: settings.maxConnections, fromOne: settings.maxConnectionsPerAddress)
  }

  func newRID() -> RID { rids.next() }

  // MARK: Connections

  /// Whether a connection has room; it then ends with ``closed(_:address:)``.
  ///
  /// - Parameter address: nil for one that counts only in all.
  func enter(_ address: String?) -> Bool {
    if crowd.enter(address) { return true }
    let now = NIODeadline.now()
    if lastRefusal.map({ now - $0 > .seconds(FrontLimits.refusalPause) }) ?? true {
      lastRefusal = now
      log.write(
        .warning, "connections are refused",
        fields: [("open", .number(crowd.count)), ("peer", .text(address ?? "any"))])
    }
    return false
  }

  /// The address under which a peer's connections are counted: this machine's, and proxies' are many clients.
  func address(counted peer: String) -> String? {
    guard let address = IPAddress(peer), !address.isLoopback, !settings.proxies.trusts(peer) else { return nil }
    return peer
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
    let match = Route.find(head.method, target.path)
    var dialect = Dialect.anthropic
    if case .found(let index, _) = match { dialect = Route.table[index].dialect }
    if target.path == Route.chatCompletions { dialect = settings.chatCompletionsDialect }
    let forwarded = head.headers[canonicalForm: "x-forwarded-for"].map(String.init)
    let exchange = Exchange(
      rid: rids.next(), head: head, target: target, match: match, dialect: dialect,
      peer: settings.proxies.client(of: peer, forwarded: forwarded), connection: connection,
      timeout: settings.requestTimeout)
    exchanges[exchange.rid] = exchange
    metrics.tell(inFlight: exchanges.count)
    scheduleTick()
    return exchange
  }

  /// Counts bytes of a body that is to be kept; false where there is no room.
  ///
  /// The body that has been arriving for the longest time always has room, or each might wait for the others.
  func reserve(_ bytes: Int, for exchange: Exchange) -> Bool {
    let buffered = bodyBytes + supervisor.bytesWaiting + answerBytes
    guard buffered + bytes <= settings.maxBuffered || isOldest(exchange) else { return false }
    bodyBytes += bytes
    return true
  }

  private func isOldest(_ exchange: Exchange) -> Bool {
    !exchanges.values.contains {
      $0.stage == .arriving && $0.bodyBytes > 0 && $0.startedAt < exchange.startedAt
    }
  }

  /// Counts bytes of answers that begin or end to wait.
  func answersWait(_ change: Int) {
    answerBytes += change
    guard change > 0, answerBytes > settings.maxBuffered else { return }
    // Not within that client's own write.
    loop.assumeIsolated().execute { [self] in shed() }
  }

  /// Gives up the client that leaves the most behind, where all of them together leave too much.
  private func shed() {
    guard answerBytes > settings.maxBuffered,
      let worst = exchanges.values.max(by: { $0.bytesWaiting < $1.bytesWaiting }), worst.bytesWaiting > 0
    else { return }
    log.write(.warning, "clients take too little: the slowest is given up", ["id": worst.rid.text])
    worst.connection?.abandon(worst)
  }

  private func release(_ exchange: Exchange) {
    bodyBytes -= exchange.bodyBytes
    exchange.bodyBytes = 0
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
    exchange.pipeline = pipeline
    pipeline.open += 1
    // When it is whole, not when it began: or who holds many back could send them later by earlier limits. The number of
    // digits stays the same for centuries.
    exchange.record.setString(String(microseconds()), at: exchange.timeAt)
    pipeline.write(exchange.record)
    release(exchange)
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

  /// Takes leave of a request: its answer has ended, one way or another.
  func finished(_ exchange: Exchange) {
    guard exchange.stage != .ended else { return }
    exchange.stage = .ended
    exchange.connection = nil
    exchanges[exchange.rid] = nil
    metrics.tell(inFlight: exchanges.count)
    release(exchange)
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
      if connection.counted > FrontLimits.maxWaiting {
        log.write(.warning, "the client takes too little", ["id": exchange.rid.text])
        connection.abandon(exchange)
      }
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
      connection.tryHeld(patientNow)
      connection.checkPatience(patientNow)
    }
    supervisor.checkCancelled(now)
    supervisor.checkHealth(now)
  }
}
