// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import NIOHTTP1
import Records

/// What the front says of itself.
extension Front {
  func own(_ purpose: Route.Purpose, _ exchange: Exchange) -> LocalAnswer {
    switch purpose {
    case .metrics:
      return LocalAnswer(
        contentType: "text/plain; version=0.0.4; charset=utf-8", text: metrics.text(inFlight: inFlight))
    case .page:
      let host = exchange.head.headers.first(name: "host").flatMap { $0.utf8.count <= FrontLimits.maxEcho ? $0 : nil }
      return LocalAnswer(
        contentType: "text/plain; charset=utf-8",
        text: Pages.index(host: host ?? "localhost", version: settings.version))
    case .description: return .description
    case .live, .relay, .health, .ready, .detailed:
      return health("alive")
    }
  }

  /// The record of a health request of our own.
  func healthRecord(_ rid: RID) -> ByteBuffer {
    let route = RouteTable.ready
    var record = Bytes()
    RequestRecord.head(
      rid, HTTPRequestHead(version: .http1_1, method: route.method, uri: route.path),
      target: RequestTarget(route.path), route: route, dialect: route.dialect, id: nil, peer: "127.0.0.1",
      time: microseconds(), into: &record)
    record.append("null}\n")
    return ByteBuffer(bytes: record.slice)
  }

  /// The requests that are under way, but for the one that asks.
  var inFlight: Int { max(0, exchanges.count - 1) }

  /// The answer to a request whose pipeline's answer has been gathered.
  func collected(_ exchange: Exchange, _ start: AnswerStart) -> LocalAnswer {
    let type = start.headers.first(name: "content-type") ?? "application/json"
    if exchange.route?.purpose != .relay {
      metrics.cli = Metrics.CLI(health: exchange.pending.bytes)
      metrics.store = StoreGauges(health: exchange.pending.bytes)
      if Supervisor.isOfHealth(start.status) {
        supervisor.sawHealth()
      } else {
        supervisor.diagnosis.begin(PipelineDiagnosis.answeredByError)
      }
    }
    let purpose = exchange.route?.purpose
    // What the pipeline finds fault with comes first: the owner mends that before anything else.
    let isAsked = start.status == 200 && (purpose == .health || purpose == .ready || purpose == .detailed)
    let fault = isAsked ? runFolder.fault(at: settings.runDirectory, log) : nil
    let status = fault == nil ? start.status : 503
    switch purpose {
    case .ready: return status == 200 ? health("ready") : health("not_ready", status: 503, error: fault)
    case .detailed: return detailed(status, exchange.pending.bytes, fault: fault)
    case .metrics: return own(.metrics, exchange)
    default:
      var answer = LocalAnswer(status: status, contentType: type, text: "")
      answer.body =
        purpose == .health ? Self.withoutComponents(exchange.pending.bytes, fault) : exchange.pending.bytes
      let own = ["content-type", "content-length"]
      answer.headers = start.headers.filter { !own.contains($0.name) }.map { ($0.name, $0.value) }
      return answer
    }
  }

  /// The answer to a request that failed before its answer had begun.
  func failed(_ exchange: Exchange, _ error: APIError) -> LocalAnswer {
    switch exchange.route?.purpose {
    case .metrics:
      (metrics.cli, metrics.store) = (.unknown, nil)
      return own(.metrics, exchange)
    case .health: return health("unhealthy", status: 503, error: error.message)
    case .ready: return health("not_ready", status: 503, error: error.message)
    case .detailed: return detailed(503, nil, error: error.message)
    default: return answer(error, to: exchange)
    }
  }

  private func health(_ text: StaticString, status: Int = 200, error: String? = nil) -> LocalAnswer {
    var body = Bytes()
    body.append(health: text, version: settings.version)
    if let error {
      body.append(#","error":"#)
      body.append(quoted: error)
    }
    body.append("}\n")
    return LocalAnswer(status: status, text: body.text)
  }

  /// What the pipeline says of its health, and the front's own parts beside it.
  ///
  /// - Parameters:
  ///   - error: why there is no answer of the pipeline.
  ///   - fault: why the server can't serve, although the pipeline can.
  private func detailed(
    _ status: Int, _ answer: ByteBuffer?, error: String? = nil, fault: String? = nil
  ) -> LocalAnswer {
    guard var answer, Self.isObject(&answer) else {
      var body = Bytes()
      body.append(health: "unhealthy", version: settings.version)
      body.append(#","error":"#)
      body.append(quoted: error ?? "the pipeline's health answer can't be read")
      body.append(#","components":{"#)
      append(components: &body)
      body.append("}")
      append(configuration: &body)
      body.append("}\n")
      return LocalAnswer(status: 503, text: body.text)
    }
    var body = Bytes()
    answer.withUnsafeReadableBytes { bytes in
      let answer = bytes.assumingMemoryBound(to: UInt8.self)
      body.append("{")
      body.append(health: answer, fault)
      body.append(#""components":{"#)
      if let components = Scan.member("components", of: answer) { body.append(members: components) }
    }
    append(components: &body)
    body.append("}")
    append(configuration: &body)
    body.append("}\n")
    return LocalAnswer(status: status, text: body.text)
  }

  /// A health answer without what names paths of this machine.
  private static func withoutComponents(_ answer: ByteBuffer, _ fault: String?) -> ByteBuffer {
    var answer = answer
    guard isObject(&answer) else { return answer }
    var body = Bytes()
    answer.withUnsafeReadableBytes {
      let answer = $0.assumingMemoryBound(to: UInt8.self)
      body.append("{")
      body.append(health: answer, fault, but: ["details"])
      if let details = Scan.member("details", of: answer) { StoreGauges.append(open: details, to: &body) }
    }
    // The comma after the last member gives way.
    body.removeLast(body.count > 1 ? 1 : 0)
    body.append("}\n")
    return ByteBuffer(bytes: body.slice)
  }

  private static func isObject(_ body: inout ByteBuffer) -> Bool {
    var check = JSONCheck()
    let isJSON = body.withUnsafeMutableReadableBytes { bytes in
      do throws(JSONCheck.Fault) {
        try check.take(bytes.assumingMemoryBound(to: UInt8.self))
        return true
      } catch {
        return false
      }
    }
    return isJSON && check.isComplete && check.firstByte == UInt8(ascii: "{")
  }
}

extension Bytes {
  /// The members of a pipeline's health answer but for its components and some others, each with a comma after it; and
  /// instead of what it says of its state, the fault of the server's own, where there is one.
  fileprivate mutating func append(health answer: ByteSlice, _ fault: String?, but others: [StaticString] = []) {
    guard let fault else { return append(members: answer, but: ["components"] + others) }
    append(#""status":"unhealthy","error":"#)
    append(quoted: fault)
    append(",")
    append(members: answer, but: ["components", "status", "error"] + others)
  }
}
