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
    package var declining = Declining()
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

  package var inFlight: Int { open.count }
  package var declining: Declining { settings.declining }

  package func take(_ line: Line) throws(APIError) {
    let operation = Operation(of: line.ctx)
    if settings.credentials.isMissing, operation != .health || declining.covers(401) {
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
    let modelID = line.ctx.flatMap { Scan.member("model_id", of: $0) }.flatMap {
      $0.count >= 2 && $0[0] == UInt8(ascii: "\"") ? $0.cut(1, $0.count - 1) : nil
    }
    let url = try settings.endpoint.url(operation, modelID: modelID)
    let headers = headers(try ClientHeaders(ctx: line.ctx), hasBody: hasBody)
    let transfer = Transfer(
      line, operation, declining: declining, handle: idle.popLast() ?? EasyHandle(common), backend: self)
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

  package func cancel(_ id: RequestID) -> Bool {
    guard let transfer = open[id] else { return false }
    transfer.cancel()
    drop(transfer)
    return true
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
    guard transfer.answer.isDeclined else { return }
    write { $0.handOn(transfer.line, of: transfer.id, status: transfer.answer.failure ?? 0) }
  }

  /// libcurl no longer works on it.
  private func forget(_ transfer: Transfer) {
    transfer.stop()
    transfer.handle.release()
    guard running.removeValue(forKey: ObjectIdentifier(transfer)) != nil else { return }
    if idle.count < HTTPLimits.keptHandles { idle.append(transfer.handle) }
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
