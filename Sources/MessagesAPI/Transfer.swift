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
  /// The request's body; with `--decline`, its whole line. Empty when it is sent and no longer needed.
  private var request: Bytes
  private let bodyStart: Int
  private let bodyCount: Int
  private var sent = 0
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
  /// The connections it was sent on: more than one where a kept one turned out to be closed.
  private(set) var connections = 0
  /// An answer that isn't streamed begins when it is complete: until then silence means nothing.
  private let mayBeSilent: Bool
  /// The next time to look at, or the next try.
  private var timer: Reactor.Timer?

  /// - Parameter number: what the backend knows it by; never used twice.
  init(_ line: Line, _ operation: Operation, number: Int, handle: EasyHandle, backend: HTTPBackend) {
    self.number = number
    self.handle = handle
    self.backend = backend
    let (declining, retrying) = (backend.declining, Retrying(backend.settings.limits.maxRetries))
    keepsLine = declining.isOn
    keepsBody = keepsLine || retrying.isOn
    answer = Answer(line.id, operation, ctx: line.ctx, declining: declining, retrying: retrying)
    let hasBody = operation == .messages || operation == .countTokens
    bodyCount = hasBody ? line.payload.count : 0
    request = Bytes(capacity: keepsLine ? line.bytes.count : bodyCount)
    if keepsLine {
      request.append(line.bytes)
      bodyStart = line.payload.baseAddress! - line.bytes.baseAddress!
    } else {
      if hasBody { request.append(line.payload) }
      bodyStart = 0
    }
    mayBeSilent = operation == .messages && Scan.member("stream", of: line.payload)?.equals("true") != true
  }

  var id: RequestID { answer.id }
  var easy: UnsafeMutableRawPointer { handle.easy }

  /// The line that the request came as; there as long as it may be declined.
  var line: ByteSlice { request.slice }

  func prepare(url: String, headers: HeaderList) {
    let body = bodyCount > 0 ? request.slice.cut(bodyStart, bodyStart + bodyCount) : nil
    handle.prepare(url: url, headers: headers, body: body, for: self)
    watchTime()
  }

  /// Hands the transfer to libcurl; false where it refuses.
  func start(on loop: CurlLoop) -> Bool {
    let limit = backend.settings.limits.connectTimeout * 1_000
    // What it has waited for others' connections counts, but for a second.
    handle.limitConnecting(to: max(limit - milliseconds(since: tryBegan), min(limit, 1_000)))
    return loop.add(easy)
  }

  private func milliseconds(since time: UInt64) -> Int { Int((Reactor.now - time) / 1_000_000) }

  // MARK: What libcurl calls

  static func setCallbacks(_ easy: UnsafeMutableRawPointer) {
    _ = ccurl_set_bytes_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeHeader(Transfer.slice(bytes, size * count))
      return size * count
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeBody(Transfer.slice(bytes, size * count)) ? size * count : 0
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
      Transfer.of(context).send(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
    }
    _ = ccurl_set_prereq_callback(easy) { context, _, _, _, _ in
      let transfer = Transfer.of(context)
      transfer.connections += 1
      transfer.backend.stands(transfer)
      return CURL_PREREQFUNC_OK
    }
    _ = ccurl_set_seek_callback(easy) { context, offset, origin in
      Transfer.of(context).seek(offset, origin)
    }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
  }

  private static func slice(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> ByteSlice {
    UnsafeRawBufferPointer(start: bytes, count: count).assumingMemoryBound(to: UInt8.self)
  }

  private func takeHeader(_ line: ByteSlice) {
    lastHeard = Reactor.now
    if !isAnswered {
      isAnswered = true
      backend.heard(isShared: line.starts(with: "HTTP/2"))
    }
    freeBody()
    backend.write { answer.take(header: line, to: &$0) }
  }

  /// Takes bytes of the body; false to end the transfer, since the answer is to be tried again.
  private func takeBody(_ bytes: ByteSlice) -> Bool {
    guard !answer.isOver else { return answer.retryWait == nil }
    lastHeard = Reactor.now
    setPatience()
    backend.write { answer.take(bytes, elapsed: milliseconds(since: began), to: &$0) }
    guard answer.retryWait == nil else { return false }
    freeBody()
    if answer.isOver { backend.settled(self) }
    return true
  }

  private func send(_ room: UnsafeMutableRawBufferPointer) -> Int {
    lastHeard = Reactor.now
    let count = min(room.count, bodyCount - sent)
    guard count > 0 else { return 0 }
    guard !request.isEmpty else { return Int(CURL_READFUNC_ABORT) }
    memcpy(room.baseAddress!, request.slice.baseAddress! + bodyStart + sent, count)
    sent += count
    return count
  }

  /// Begins again, where a kept connection turned out to be closed.
  private func seek(_ offset: curl_off_t, _ origin: Int32) -> Int32 {
    guard origin == SEEK_SET, (0...bodyCount).contains(offset), !request.isEmpty else { return CURL_SEEKFUNC_FAIL }
    sent = offset
    return CURL_SEEKFUNC_OK
  }

  /// Frees a large body that has been sent, when the answer to it has come: a stream may last for long.
  private func freeBody() {
    guard !keepsBody || answer.hasBegun, bodyCount >= HTTPLimits.pieceBodies, sent == bodyCount else { return }
    request.removeAll(keeping: 0)
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
      fail(Self.error(of: result, connectTimeout: backend.settings.limits.connectTimeout))
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
      (sent, isAnswered) = (0, false)
      tryBegan = Reactor.now
      lastHeard = tryBegan
      watchTime()
      backend.queue(self)
    }
  }

  /// What to tell the client: nothing that names a host or a file.
  private static func error(of result: CURLcode, connectTimeout: Int) -> APIError {
    switch result {
    // The only time that libcurl watches is the one for the connection.
    case CURLE_OPERATION_TIMEDOUT:
      APIError(status: 504, "the API could not be reached within \(connectTimeout) s")
    case CURLE_PEER_FAILED_VERIFICATION:
      APIError(status: 502, "the API could not be reached: its certificate can't be verified")
    case CURLE_SSL_CACERT_BADFILE:
      APIError(status: 502, "the API could not be reached: the certificates to trust can't be read")
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
      CURLE_PROXY, CURLE_FAILED_INIT:
      APIError(status: 502, "the API could not be reached: \(String(cString: curl_easy_strerror(result)))")
    default:
      APIError(status: 502, "the connection to the API failed: \(String(cString: curl_easy_strerror(result)))")
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

  /// No time is watched any more.
  func stop() { reactor.cancel(timer) }

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
