// SPDX-License-Identifier: MIT
import CCurl
import CLinux
import JSONText
import Jansson
import Logs
import Reactor
import Records

/// Answers requests by asking a Messages API over HTTP.
package final class HTTPBackend: Backend {
  package struct Settings: Sendable {
    package var endpoint: Endpoint
    package var credentials: CredentialSource
    package var limits = HTTPLimits()
    package var declining = Declining()
    /// Certificates to trust instead of the system's: a file, a folder.
    package var certificateFile: String?
    package var certificateFolder: String?

    package init(endpoint: Endpoint, credentials: CredentialSource) {
      self.endpoint = endpoint
      self.credentials = credentials
    }
  }

  let settings: Settings
  let reactor: Reactor
  let log: Log
  private let port: Port
  private let loop: CurlLoop
  private let common: EasyHandle.Common
  /// Requests without `end`.
  private var open: [RequestID: Transfer] = [:]
  /// Those that have a handle, by their numbers: they wait for their turn or for another try, or libcurl works on them,
  /// the answer over or not.
  private var running: [Int: Transfer] = [:]
  private var transfersMade = 0
  private var admission: Admission
  private var isAdmitting = false
  private var credentials: Credentials
  private var idle: [EasyHandle] = []
  private var headerLists: [ClientHeaders: HeaderList] = [:]
  /// How many bytes the transfers hold.
  private var buffered = 0
  /// For how many seconds a connection may have been idle to be used again.
  private(set) var keptTime = HTTPLimits.keptTime
  private var connections = KeptConnections()
  /// Look-ups that nobody waits for any more, and that may still hang.
  private var abandonedLookups = 0

  /// - Throws: where a file of credentials can't be read.
  package init(_ settings: Settings, port: Port, reactor: Reactor, log: Log) throws(Failure) {
    self.settings = settings
    self.port = port
    self.reactor = reactor
    self.log = log
    credentials = try settings.credentials.read()
    common = EasyHandle.Common(
      endpoint: settings.endpoint, certificates: (settings.certificateFile, settings.certificateFolder))
    admission = Admission(mayShare: settings.endpoint.isTLS)
    // A connection is a descriptor.
    clinux_raise_descriptor_limit()
    loop = CurlLoop(reactor, keeping: HTTPLimits.keptConnections, streams: HTTPLimits.maxStreams)
    loop.done = { [unowned self] easy, result in
      guard let transfer = EasyHandle.transfer(of: easy) else { return }
      if transfer.movesToNewConnection(after: result) || transfer.route.needsNewConnection, !transfer.answer.isOver {
        admission.ended(transfer.number, isFailure: false)
        return queue(transfer)
      }
      if result == CURLE_OPERATION_TIMEDOUT, transfer.waitsForLookup { abandonedLookups += 1 }
      transfer.finish(result)
      left(transfer, isFailure: result != CURLE_OK)
    }
    sockets.closing = { [unowned self] number, isUnreceived in
      running[number]?.lostConnection(isUnreceived: isUnreceived)
    }
    loop.rested = { [unowned self] in admit() }
  }

  var sockets: Sockets { loop.sockets }

  /// Writes records.
  func write<R>(_ body: (inout Output) -> R) -> R { body(&port.output) }

  // MARK: Requests

  package var inFlight: Int { open.count }
  package var declining: Declining { settings.declining }

  package func take(_ line: Line) throws(APIError) {
    let operation = Operation(of: line.ctx)
    if credentials.isMissing, operation != .health || declining.covers(401) {
      throw APIError(
        status: 401, "no API key: set ANTHROPIC_API_KEY, or ANTHROPIC_AUTH_TOKEN for a gateway, for the proxy")
    }
    if operation == .health { return respondHealth(line) }
    guard open[line.id] == nil else {
      log.write(.warning, "a rid came twice", ["id": line.id.text])
      return
    }
    let hasBody = operation == .messages || operation == .countTokens
    if hasBody, line.payload[0] != UInt8(ascii: "{") { throw .invalid("the body is not a JSON object") }
    guard open.count < Limits.maxOpen else {
      throw APIError(status: 529, "too many requests wait", headers: [("retry-after", "5")])
    }
    guard buffered == 0 || buffered + line.bytes.count <= settings.limits.maxBuffered else { throw Self.tooMuch }
    try checkLookups()
    let modelID = line.ctx.flatMap { Scan.member("model_id", of: $0) }.flatMap {
      $0.count >= 2 && $0[0] == UInt8(ascii: "\"") ? $0.cut(1, $0.count - 1) : nil
    }
    let url = try settings.endpoint.url(operation, modelID: modelID)
    let headers = headers(try ClientHeaders(ctx: line.ctx), hasBody: hasBody)
    transfersMade += 1
    let transfer = Transfer(
      line, operation, number: transfersMade, handle: idle.popLast() ?? EasyHandle(common, sockets: sockets),
      backend: self)
    transfer.prepare(url: url, headers: headers)
    open[transfer.id] = transfer
    running[transfer.number] = transfer
    _ = count(transfer)
    queue(transfer)
  }

  /// Has a transfer start as soon as it may.
  func queue(_ transfer: Transfer) {
    admission.add(transfer.number)
    admit()
  }

  /// Starts the transfers whose turn it is.
  private func admit() {
    guard !isAdmitting else { return }
    isAdmitting = true
    defer { isAdmitting = false }
    while let number = admission.next() {
      guard let transfer = running[number] else {
        admission.ended(number, isFailure: false)
        continue
      }
      guard transfer.start(on: loop) else {
        transfer.finish(CURLE_FAILED_INIT)
        left(transfer, isFailure: true)
        continue
      }
      guard admission.isHeld else { continue }
      // What joins a connection has it now.
      loop.begin()
      admission.hasStarted(number)
    }
  }

  /// A transfer has its connection, and will be sent.
  func stands(_ transfer: Transfer) { admission.stands(transfer.number) }

  /// An answer begins: as HTTP/2 or as HTTP/1.
  func heard(isShared: Bool) {
    if settings.endpoint.isTLS { admission.heard(isShared: isShared) }
  }

  private func headers(_ client: ClientHeaders, hasBody: Bool) -> HeaderList {
    guard hasBody else { return HeaderList(client, credentials, hasBody: false) }
    if let list = headerLists[client] { return list }
    let list = HeaderList(client, credentials, hasBody: true)
    // Clients are of a few kinds; one that makes up betas gets no room for each.
    if headerLists.count < HTTPLimits.keptHandles { headerLists[client] = list }
    return list
  }

  static let tooMuch = APIError(
    status: 529, "too much is waiting to be sent or answered", headers: [("retry-after", "5")])

  /// Counts what a transfer holds; false where all of them hold too much together.
  func count(_ transfer: Transfer) -> Bool {
    let held = transfer.held
    buffered += held - transfer.counted
    transfer.counted = held
    // One that is alone always has room.
    return buffered <= settings.limits.maxBuffered || buffered == held
  }

  /// A connection is given up before the upstream, as it says, closes it. libcurl counts whole seconds.
  func keeps(for seconds: Int) { keptTime = min(HTTPLimits.keptTime, max(0, seconds - 2)) }

  /// Whether new requests may go out on kept connections, and leave theirs for others.
  var keepsConnections: Bool { connections.areKept(at: Reactor.now) }

  /// The upstream has sent an answer that nobody asked for.
  func noteSurplus() {
    guard connections.noteSurplus(at: Reactor.now) else { return }
    log.write(
      .warning,
      "the API sent an answer that no request asked for; connections are not kept for \(HTTPLimits.surplusPause) s")
  }

  /// Each look-up that hangs has a thread. Starts no more of them where there are too many.
  private func checkLookups() throws(APIError) {
    guard abandonedLookups >= HTTPLimits.maxLookups else { return }
    // All threads but the first are look-ups.
    abandonedLookups = max(0, Int(clinux_threads()) - 1)
    guard abandonedLookups >= HTTPLimits.maxLookups else { return }
    throw APIError(status: 502, "the API could not be reached: the system does not answer look-ups of its name")
  }

  private func respondHealth(_ line: Line) {
    var report = HealthReport(backend: "claude-http")
    if credentials.isMissing { report.error = "no API key" }
    write { out in
      out.record(.begin, of: line.rid, isBare: line.isBare, ctx: line.ctx) {
        $0.append(#"{"status":"#)
        $0.append(decimal: report.status)
        $0.append(#","headers":{}}"#)
      }
      out.record(.response, of: line.rid, isBare: line.isBare) {
        $0.append(report.body(time: HealthReport.time(of: line.ctx)))
      }
      out.end(line.rid, isBare: line.isBare)
    }
  }

  package func cancel(_ id: RequestID) -> Bool {
    guard let transfer = open[id] else { return false }
    transfer.cancel()
    drop(transfer)
    return true
  }

  // MARK: Their ends

  /// Ends a transfer at once.
  func drop(_ transfer: Transfer) {
    if transfer.waitsForLookup { abandonedLookups += 1 }
    loop.remove(transfer.easy)
    left(transfer, isFailure: !transfer.isCancelled)
    admit()
  }

  /// libcurl no longer works on it.
  private func left(_ transfer: Transfer, isFailure: Bool) {
    admission.ended(transfer.number, isFailure: isFailure)
    if let wait = transfer.answer.retryWait { return transfer.retry(in: wait) }
    transfer.stop()
    if running.removeValue(forKey: transfer.number) != nil {
      buffered -= transfer.counted
      transfer.handle.release()
      // libcurl sends a request again where a kept connection is closed, but counts that over the handle's whole life.
      if idle.count < HTTPLimits.keptHandles, transfer.route.connections <= 1 { idle.append(transfer.handle) }
    }
    settled(transfer)
  }

  /// The transfer's answer is over.
  func settled(_ transfer: Transfer) {
    guard open[transfer.id] === transfer else { return }
    open[transfer.id] = nil
    guard transfer.answer.isDeclined else { return }
    write { $0.handOn(transfer.line, of: transfer.id, status: transfer.answer.failure ?? 0) }
  }

  /// Reads the files of credentials again; requests under way keep theirs.
  package func reload() -> Bool {
    guard settings.credentials.hasFiles else { return false }
    do throws(Failure) {
      credentials = try settings.credentials.read()
      headerLists = [:]
      log.write(.info, "the credentials were read again")
    } catch {
      log.write(.error, "the credentials stay as they were: \(error.message)")
    }
    return true
  }

  package func stop() {
    for transfer in running.values {
      loop.remove(transfer.easy)
      transfer.stop()
    }
    running = [:]
    open = [:]
  }
}
