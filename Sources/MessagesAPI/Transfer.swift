// SPDX-License-Identifier: MIT
import CCurl
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// One request on its way: its body out, its answer in, and the times it may take.
final class Transfer {
  let number: Int
  let handle: EasyHandle
  private(set) var answer: Answer
  private let backend: HTTPBackend
  private var body: RequestBody
  private let hasBody: Bool
  /// The record itself will be needed, should the answer be declined.
  private let keepsLine: Bool
  /// The body may have to be sent again.
  private let keepsBody: Bool
  private let began = Reactor.now
  private var tryBegan = Reactor.now
  private var lastHeard = Reactor.now
  /// The upstream has begun to answer.
  private var isAnswered = false
  private(set) var isCancelled = false
  /// The connections that its request goes out on.
  private(set) var route: Route
  private var hasStarted = false
  /// An answer that isn't streamed begins when it is complete: until then silence means nothing.
  private let mayBeSilent: Bool
  /// The next time to look at, or the next try.
  private var timer: Reactor.Timer?

  /// - Parameter number: what the backend knows it by; never used twice.
  init(_ line: Line, _ operation: Operation, number: Int, handle: EasyHandle, backend: HTTPBackend) {
    self.number = number
    self.handle = handle
    self.backend = backend
    route = Route(number, backend.sockets, isTLS: backend.settings.endpoint.isTLS)
    let (declining, retrying) = (backend.declining, Retrying(backend.settings.limits.maxRetries))
    keepsLine = declining.isOn
    keepsBody = keepsLine || retrying.isOn
    let isStreamAsked = operation == .messages && Scan.member("stream", of: line.payload)?.equals("true") == true
    answer = Answer(
      line.id, operation, isStreamAsked: isStreamAsked, ctx: line.ctx, declining: declining, retrying: retrying)
    hasBody = operation == .messages || operation == .countTokens
    let marksCache =
      operation == .messages && line.ctx.flatMap { Scan.member("cache", of: $0) }?.equals("\"auto\"") == true
    body = RequestBody(line, hasBody: hasBody, marksCache: marksCache, keepsLine: keepsLine)
    mayBeSilent = operation == .messages && !isStreamAsked
  }

  var id: RequestID { answer.id }
  var easy: UnsafeMutableRawPointer { handle.easy }

  /// The line that the request came as; there as long as it may be declined.
  var line: ByteSlice { body.line }

  /// How many bytes it holds, and how many of them the backend has counted.
  var held: Int { body.held + answer.held }
  var counted = 0

  /// The upstream's name is being looked up for it.
  var waitsForLookup: Bool { hasStarted && route.connections == 0 && !route.isLookedUp }

  func prepare(url: String, headers: HeaderList) {
    handle.prepare(url: url, headers: headers, count: hasBody ? body.count : nil, body: body.piece, for: self)
    watchTime()
  }

  /// Hands the transfer to libcurl; false where it refuses.
  func start(on loop: CurlLoop) -> Bool {
    let limit = backend.settings.limits.connectTimeout * 1_000
    // What it has waited for others' connections counts, but for a second.
    handle.limitConnecting(to: max(limit - milliseconds(since: tryBegan), min(limit, 1_000)))
    handle.longestIdle = backend.keptTime
    let keepsConnections = backend.keepsConnections
    handle.usesNewConnection = route.needsNewConnection || !keepsConnections
    handle.closesConnection = !keepsConnections
    route.restart()
    hasStarted = true
    return loop.add(easy)
  }

  private func milliseconds(since time: UInt64) -> Int { Int((Reactor.now - time) / 1_000_000) }

  // MARK: What libcurl calls

  static func setCallbacks(_ easy: UnsafeMutableRawPointer) {
    _ = ccurl_set_bytes_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeHeader(Transfer.slice(bytes, size * count)) ? size * count : 0
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeBody(Transfer.slice(bytes, size * count)) ? size * count : 0
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
      Transfer.of(context).send(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
    }
    _ = ccurl_set_prereq_callback(easy) { context, remote, _, _, port in
      Transfer.of(context).mayGoOut(port: port, remote: remote) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
    }
    _ = ccurl_set_seek_callback(easy) { context, offset, origin in
      Transfer.of(context).seek(offset, origin)
    }
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
  }

  private static func slice(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> ByteSlice {
    UnsafeRawBufferPointer(start: bytes, count: count).assumingMemoryBound(to: UInt8.self)
  }

  /// libcurl has opened a socket for it.
  func opened(_ descriptor: Int32) { route.add(descriptor) }

  /// The transfer has a connection; false where its request must not go out on that one.
  private func mayGoOut(port: Int32, remote: UnsafePointer<CChar>?) -> Bool {
    let mayGoOut = route.mayGoOut(port: port, remote: remote, handle, isSent: isSent, repeats: !hasBody)
    if route.hasFoundSurplus { backend.noteSurplus() }
    guard mayGoOut else { return false }
    backend.stands(self)
    return true
  }

  /// The upstream may have all of the request.
  private var isSent: Bool {
    guard let before = route.sentBefore else { return false }
    return body.isShort ? handle.bytesSent > before : body.mostSent == body.count
  }

  /// Begins again where a kept connection closed while the request was being written: the upstream can't have processed a part
  /// of it. libcurl does that itself, but only where a read shows the end, not where a write does.
  func movesToNewConnection(after result: CURLcode) -> Bool {
    guard result == CURLE_SEND_ERROR, route.wentOutOnKept, !isSent, !isAnswered, !answer.isOver, body.seek(0) else {
      return false
    }
    body.restart()
    route.requireNewConnection()
    return true
  }

  /// Its connection has closed.
  func lostConnection(isUnreceived: Bool) { route.lost(isUnreceived: isUnreceived) }

  /// Takes a line of the head; false to end the transfer.
  private func takeHeader(_ line: ByteSlice) -> Bool {
    lastHeard = Reactor.now
    if !isAnswered {
      isAnswered = true
      backend.heard(isShared: line.starts(with: "HTTP/2"))
      // What was on its way before the request arrived is no answer to it.
      if route.isUnreceived {
        backend.noteSurplus()
        handle.closesConnection = true
        fail(APIError(status: 502, "the API answered before it had the request, which may have been processed"))
        return false
      }
    }
    freeBody()
    setPatience()
    let goesOn = backend.write { answer.take(header: line, to: &$0) }
    closeSpoiltConnection()
    if let seconds = answer.keepAlive { backend.keeps(for: seconds) }
    return goesOn
  }

  /// Takes bytes of the body; false to end the transfer.
  private func takeBody(_ bytes: ByteSlice) -> Bool {
    let wasOver = answer.isOver
    if !wasOver {
      lastHeard = Reactor.now
      setPatience()
    }
    let goesOn = backend.write { answer.take(bytes, elapsed: milliseconds(since: began), to: &$0) }
    closeSpoiltConnection()
    guard goesOn, answer.retryWait == nil else { return false }
    guard !wasOver else { return true }
    freeBody()
    let fits = answer.held == 0 || backend.count(self)
    if !fits { fail(HTTPBackend.tooMuch) }
    if answer.isOver, answer.retryWait == nil { backend.settled(self) }
    return fits
  }

  /// Where more than the answer may have come on its connection, that is not used again.
  private func closeSpoiltConnection() {
    guard !route.isHTTP2 else { return }
    if answer.isConnectionSpoilt { handle.closesConnection = true }
    if answer.hasSurplus { backend.noteSurplus() }
  }

  private func send(_ room: UnsafeMutableRawBufferPointer) -> Int {
    lastHeard = Reactor.now
    return body.send(room) ?? Int(CURL_READFUNC_ABORT)
  }

  /// Begins again, where a kept connection turned out to be closed.
  private func seek(_ offset: curl_off_t, _ origin: Int32) -> Int32 {
    origin == SEEK_SET && body.seek(offset) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
  }

  /// Frees a large body that has been sent, when the answer to it has come: a stream may last for long.
  private func freeBody() {
    guard !keepsBody || answer.hasBegun, !body.isShort, body.isSent, body.held > 0 else { return }
    body.free()
    _ = backend.count(self)
  }

  // MARK: Its end

  /// libcurl is done with it.
  func finish(_ result: CURLcode) {
    guard !answer.isOver else { return }
    setPatience()
    if result == CURLE_OK {
      backend.write { answer.finish(elapsed: milliseconds(since: began), to: &$0) }
    } else {
      let reason = handle.reason(of: result)
      backend.log.write(.warning, "the request to the API failed", ["id": id.text, "reason": reason])
      fail(
        APIError(of: result, connectTimeout: backend.settings.limits.connectTimeout, isSent: isSent && !isAnswered))
    }
  }

  /// Where there may be another try: how long it may take.
  private func setPatience() {
    guard keepsBody, !answer.hasBegun else { return }
    answer.patience = backend.settings.limits.requestTimeout * 1_000 - milliseconds(since: began)
    answer.chance = Double.random(in: 0...1)
  }

  /// Tries again in so many milliseconds. libcurl no longer works on it.
  func retry(in milliseconds: Int) {
    backend.log.write(
      .info, "tried again in \(milliseconds) ms after status \(answer.failure ?? 0)", ["id": id.text])
    reactor.cancel(timer)
    timer = reactor.after(milliseconds: milliseconds) { [unowned self] in
      answer.retry()
      body.restart()
      _ = backend.count(self)
      isAnswered = false
      tryBegan = Reactor.now
      lastHeard = tryBegan
      watchTime()
      backend.queue(self)
    }
  }

  private func fail(_ error: APIError, isFinal: Bool = false) {
    backend.write { answer.fail(error, isFinal: isFinal, to: &$0) }
  }

  /// The client is gone.
  func cancel() {
    isCancelled = true
    backend.write { answer.cancel(to: &$0) }
  }

  /// No time is watched any more, and its connection is another's.
  func stop() {
    reactor.cancel(timer)
    route.leave()
  }

  private var reactor: Reactor { backend.reactor }

  /// When the upstream will have been silent for too long; `UInt64.max` for never.
  private var patienceEnds: UInt64 {
    let limits = backend.settings.limits
    if isAnswered { return lastHeard + UInt64(limits.idleTimeout) * 1_000_000_000 }
    if mayBeSilent { return .max }
    return lastHeard + UInt64(limits.firstByteTimeout ?? limits.idleTimeout) * 1_000_000_000
  }

  /// What to say of an upstream that was silent for too long.
  private var silence: String {
    let limits = backend.settings.limits
    if isAnswered { return "the API was silent for \(limits.idleTimeout) s" }
    return "the API did not begin to answer within \(limits.firstByteTimeout ?? limits.idleTimeout) s"
  }

  private func watchTime() {
    let limits = backend.settings.limits
    let last = began + UInt64(limits.requestTimeout) * 1_000_000_000
    // Looked at when the time could be up, not at each event; one that is over goes at that look.
    timer = reactor.at(min(patienceEnds, last)) { [unowned self] in
      let now = Reactor.now
      if now < last, now < patienceEnds, !answer.isOver { return watchTime() }
      if now >= last {
        fail(APIError(status: 504, "the answer took longer than \(limits.requestTimeout) s"), isFinal: true)
      } else {
        setPatience()
        fail(APIError(status: 504, silence))
      }
      backend.drop(self)
    }
  }
}
