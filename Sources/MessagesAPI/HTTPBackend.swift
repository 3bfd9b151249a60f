// SPDX-License-Identifier: MIT
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
    package var credentials: Credentials
    package var limits = HTTPLimits()
    /// Statuses whose requests are handed on, as they came, to the next backend in the pipe.
    package var declined: Set<Int> = []
    /// Certificates to trust instead of the system's: a file, a folder.
    package var certificateFile: String?
    package var certificateFolder: String?

    package init(endpoint: Endpoint, credentials: Credentials) {
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
  /// What libcurl works on, the answer over or not.
  private var running: [ObjectIdentifier: Transfer] = [:]
  private var idle: [EasyHandle] = []
  private var headerLists: [ClientHeaders: HeaderList] = [:]
  /// Bare requests that came while one was being answered: bare answers have no names, so they keep the order.
  private var bareLine: [BareRequest] = []

  package init(_ settings: Settings, port: Port, reactor: Reactor, log: Log) {
    self.settings = settings
    self.port = port
    self.reactor = reactor
    self.log = log
    common = EasyHandle.Common(
      endpoint: settings.endpoint, connectTimeout: settings.limits.connectTimeout,
      certificates: (settings.certificateFile, settings.certificateFolder))
    // A connection is a descriptor.
    clinux_raise_descriptor_limit()
    loop = CurlLoop(reactor, keeping: HTTPLimits.keptConnections)
    loop.done = { [unowned self] easy, result in
      guard let transfer = EasyHandle.transfer(of: easy) else { return }
      transfer.finish(result)
      forget(transfer)
      settled(transfer)
    }
  }

  /// Writes records.
  func write<R>(_ body: (inout Output) -> R) -> R { body(&port.output) }

  // MARK: Requests

  package var inFlight: Int { open.count + bareLine.count }

  /// Takes a request or a cancel; the records come by the port, now or later.
  package func take(_ line: Line) throws(APIError) {
    guard line.kind == .request else { return cancel(line) }
    if line.isBare, bareIsOpen || !bareLine.isEmpty { return bareLine.append(BareRequest(line)) }
    try answer(line)
  }

  private var bareIsOpen: Bool { open.keys.contains { $0.isBare } }

  private func answer(_ line: Line) throws(APIError) {
    let operation = Operation(of: line.ctx)
    guard !settings.credentials.isMissing else { return try refuse(line, operation) }
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
    let modelID = line.ctx.flatMap { Scan.member("model_id", of: $0) }.flatMap {
      $0.count >= 2 && $0[0] == UInt8(ascii: "\"") ? $0.cut(1, $0.count - 1) : nil
    }
    let url = try settings.endpoint.url(operation, modelID: modelID)
    let headers = headers(try ClientHeaders(ctx: line.ctx), hasBody: hasBody)
    let transfer = Transfer(
      line, operation, declined: settings.declined, handle: idle.popLast() ?? EasyHandle(common), backend: self)
    transfer.prepare(url: url, headers: headers)
    guard loop.add(transfer.handle.easy) else {
      transfer.stop()
      throw APIError(status: 502, "the request can't be sent")
    }
    open[transfer.id] = transfer
    running[ObjectIdentifier(transfer)] = transfer
  }

  private func headers(_ client: ClientHeaders, hasBody: Bool) -> HeaderList {
    guard hasBody else { return HeaderList(client, settings.credentials, hasBody: false) }
    if let list = headerLists[client] { return list }
    let list = HeaderList(client, settings.credentials, hasBody: true)
    // Clients are of a few kinds; one that makes up betas gets no room for each.
    if headerLists.count < HTTPLimits.keptHandles { headerLists[client] = list }
    return list
  }

  /// Answers a request that nobody pays for.
  private func refuse(_ line: Line, _ operation: Operation) throws(APIError) {
    // The next backend may have what we lack.
    if settings.declined.contains(401) { return write { $0.forward(line) } }
    if operation == .health { return respondHealth(line) }
    throw APIError(
      status: 401, "no API key: set ANTHROPIC_API_KEY, or ANTHROPIC_AUTH_TOKEN for a gateway, for the proxy")
  }

  private func respondHealth(_ line: Line) {
    var report = HealthReport(backend: "claude-http")
    if settings.credentials.isMissing { report.error = "no API key" }
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

  private func cancel(_ line: Line) {
    guard let transfer = open[line.id] else {
      // What was declined is now the next backend's to cancel; else it is nobody's.
      if !settings.declined.isEmpty { write { $0.forward(line) } }
      return
    }
    transfer.cancel()
    drop(transfer)
  }

  // MARK: Their ends

  /// Ends a transfer at once.
  func drop(_ transfer: Transfer) {
    loop.remove(transfer.handle.easy)
    forget(transfer)
    settled(transfer)
  }

  /// The transfer's answer is over.
  func settled(_ transfer: Transfer) {
    guard open[transfer.id] === transfer else { return }
    open[transfer.id] = nil
    if transfer.answer.isDeclined {
      log.write(.info, "declined", ["id": transfer.id.text, "status": String(transfer.answer.failure ?? 0)])
      write { $0.bytes.append(transfer.line, "\n") }
    }
    // libcurl may be calling us: nothing can be begun here.
    if transfer.id.isBare { reactor.after(milliseconds: 0) { [unowned self] in takeBare() } }
  }

  /// libcurl no longer works on it.
  private func forget(_ transfer: Transfer) {
    transfer.stop()
    transfer.handle.release()
    guard running.removeValue(forKey: ObjectIdentifier(transfer)) != nil else { return }
    if idle.count < HTTPLimits.keptHandles { idle.append(transfer.handle) }
  }

  /// Takes the bare requests whose time has come.
  private func takeBare() {
    while !bareIsOpen, !bareLine.isEmpty {
      bareLine.removeFirst().withLine { line in
        do throws(APIError) { try answer(line) } catch { write { $0.refuse(line, error) } }
      }
    }
  }

  package func stop() {
    for transfer in running.values {
      loop.remove(transfer.handle.easy)
      transfer.stop()
    }
    running = [:]
    open = [:]
  }
}
