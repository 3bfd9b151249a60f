// SPDX-License-Identifier: MIT
import CCurl
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// One request on its way: its body out, its answer in, and the times it may take.
final class Transfer {
  let handle: EasyHandle
  private(set) var answer: Answer
  private let backend: HTTPBackend
  /// The request's body; with `--decline`, its whole line. Empty when it is sent and no longer needed.
  private var request: Bytes
  private let bodyStart: Int
  private let bodyCount: Int
  private var sent = 0
  private let keepsLine: Bool
  private let began = Reactor.now
  private var lastHeard = Reactor.now
  /// An answer that isn't streamed begins when it is complete: until then silence means nothing.
  private var mayBeSilent: Bool
  private var timer: Reactor.Timer?

  /// - Parameter keepsLine: the record itself will be needed, should the answer be declined.
  init(_ line: Line, _ operation: Operation, declining: Declining, handle: EasyHandle, backend: HTTPBackend) {
    self.handle = handle
    self.backend = backend
    keepsLine = declining.isOn
    answer = Answer(line.id, operation, ctx: line.ctx, declining: declining)
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

  /// The line that the request came as; there as long as it may be declined.
  var line: ByteSlice { request.slice }

  func prepare(url: String, headers: HeaderList) {
    let body = bodyCount > 0 ? request.slice.cut(bodyStart, bodyStart + bodyCount) : nil
    handle.prepare(url: url, headers: headers, body: body, for: self)
    watchTime()
  }

  // MARK: What libcurl calls

  static func setCallbacks(_ easy: UnsafeMutableRawPointer) {
    _ = ccurl_set_bytes_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeHeader(Transfer.slice(bytes, size * count))
      return size * count
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      Transfer.of(context).takeBody(Transfer.slice(bytes, size * count))
      return size * count
    }
    _ = ccurl_set_bytes_callback(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
      Transfer.of(context).send(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
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
    mayBeSilent = false
    freeBody()
    backend.write { answer.take(header: line, to: &$0) }
  }

  private func takeBody(_ bytes: ByteSlice) {
    guard !answer.isOver else { return }
    lastHeard = Reactor.now
    backend.write { answer.take(bytes, elapsed: Int((lastHeard - began) / 1_000_000), to: &$0) }
    freeBody()
    if answer.isOver { backend.settled(self) }
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
    guard !keepsLine || answer.hasBegun, bodyCount >= HTTPLimits.pieceBodies, sent == bodyCount else { return }
    request.removeAll(keeping: 0)
  }

  // MARK: Its end

  /// libcurl is done with it.
  func finish(_ result: CURLcode) {
    guard !answer.isOver else { return }
    let elapsed = Int((Reactor.now - began) / 1_000_000)
    if result == CURLE_OK {
      backend.write { answer.finish(elapsed: elapsed, to: &$0) }
    } else {
      let reason = handle.reason(of: result)
      backend.log.write(.warning, "the request to the API failed", ["id": id.text, "reason": reason])
      fail(Self.error(of: result, connectTimeout: backend.settings.limits.connectTimeout))
    }
  }

  /// What to tell the client: nothing that names a host or a file.
  private static func error(of result: CURLcode, connectTimeout: Int) -> APIError {
    switch result {
    // The only time that libcurl watches is the one for the connection.
    case CURLE_OPERATION_TIMEDOUT:
      APIError(status: 504, "the API could not be reached within \(connectTimeout) s")
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
      CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_PROXY:
      APIError(status: 502, "the API could not be reached: \(String(cString: curl_easy_strerror(result)))")
    default:
      APIError(status: 502, "the connection to the API failed: \(String(cString: curl_easy_strerror(result)))")
    }
  }

  private func fail(_ error: APIError) { backend.write { answer.fail(error, to: &$0) } }

  /// The client is gone.
  func cancel() { backend.write { answer.cancel(to: &$0) } }

  /// No time is watched any more.
  func stop() { reactor.cancel(timer) }

  private var reactor: Reactor { backend.reactor }

  private func watchTime() {
    let limits = backend.settings.limits
    let last = began + UInt64(limits.requestTimeout) * 1_000_000_000
    let due = lastHeard + UInt64(limits.idleTimeout) * 1_000_000_000
    // Looked at when the time could be up, not at each event; one that is over goes at that look.
    timer = reactor.at(min(due, last)) { [unowned self] in
      let now = Reactor.now
      if now >= last {
        fail(APIError(status: 504, "the answer took longer than \(limits.requestTimeout) s"))
      } else if mayBeSilent, !answer.isOver {
        lastHeard = now
        return watchTime()
      } else if now < lastHeard + UInt64(limits.idleTimeout) * 1_000_000_000, !answer.isOver {
        return watchTime()
      } else {
        fail(APIError(status: 504, "the API was silent for \(limits.idleTimeout) s"))
      }
      backend.drop(self)
    }
  }
}
