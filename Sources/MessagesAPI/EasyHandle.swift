// SPDX-License-Identifier: MIT
import CCurl
import JSONText
import Records

/// One libcurl handle, set up for the Messages API, that serves one request after another.
final class EasyHandle {
  let easy: UnsafeMutableRawPointer
  /// Why the last transfer failed, in libcurl's words. May name hosts: for the log only.
  private let reason: UnsafeMutablePointer<CChar>
  private var headers: HeaderList?

  /// What every request has in common.
  struct Common {
    var endpoint: Endpoint
    /// Files of certificates to trust instead of the system's.
    var certificates: (file: String?, folder: String?)
  }

  init(_ common: Common, sockets: Sockets) {
    guard let easy = ccurl_easy_init() else { fatalError("out of memory for a libcurl handle") }
    self.easy = easy
    reason = .allocate(capacity: Int(CURL_ERROR_SIZE))
    reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    _ = ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, reason)
    // Signals are the reactor's.
    number(CURLOPT_NOSIGNAL, 1)
    text(CURLOPT_PROTOCOLS_STR, "http,https")
    number(CURLOPT_FOLLOWLOCATION, 0)
    // ".." in a model's name is no step up.
    number(CURLOPT_PATH_AS_IS, 1)
    number(CURLOPT_TCP_NODELAY, 1)
    number(CURLOPT_TCP_KEEPALIVE, 1)
    number(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    text(CURLOPT_USERAGENT, "\(Product.service)/\(Product.version)")
    // Without CURLOPT_PIPEWAIT: Admission waits for connections that may be shared, and for none that fails.
    number(CURLOPT_HTTP_VERSION, common.endpoint.isTLS ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)
    // A transfer that ends doesn't wait for a look-up that hangs. The look-up's thread is left alone, and ends by itself.
    number(CURLOPT_QUICK_EXIT, 1)
    // Chunks are taken apart by ChunkDecoder, which sees what follows them.
    number(CURLOPT_HTTP_TRANSFER_DECODING, 0)
    trust(common.certificates)
    sockets.watch(easy)
    Transfer.setCallbacks(easy)
  }

  deinit {
    ccurl_easy_cleanup(easy)
    reason.deallocate()
  }

  /// Trusts these certificates and no others, where there are any; of a proxy too.
  private func trust(_ certificates: (file: String?, folder: String?)) {
    guard certificates.file != nil || certificates.folder != nil else { return }
    for (option, path) in [
      (CURLOPT_CAINFO, certificates.file), (CURLOPT_CAPATH, certificates.folder),
      (CURLOPT_PROXY_CAINFO, certificates.file), (CURLOPT_PROXY_CAPATH, certificates.folder),
    ] {
      // Nothing takes the system's own away.
      if let path { text(option, path) } else { _ = ccurl_set_pointer(easy, option, nil) }
    }
  }

  /// How long a connection may take to stand from now on, in milliseconds.
  func limitConnecting(to milliseconds: Int) { number(CURLOPT_CONNECTTIMEOUT_MS, milliseconds) }

  /// The next try takes a new connection, though there may be a kept one.
  var usesNewConnection = false {
    didSet { if usesNewConnection != oldValue { number(CURLOPT_FRESH_CONNECT, usesNewConnection ? 1 : 0) } }
  }

  /// The connection is closed when the answer is over, though the other side would keep it.
  var closesConnection = false {
    didSet { if closesConnection != oldValue { number(CURLOPT_FORBID_REUSE, closesConnection ? 1 : 0) } }
  }

  /// For how many seconds a connection may have been idle to be used again.
  var longestIdle = -1 {
    didSet { if longestIdle != oldValue { number(CURLOPT_MAXAGE_CONN, longestIdle) } }
  }

  /// Says what the next transfer asks for.
  ///
  /// - Parameters:
  ///   - count: how long the body of a POST is; nil for a GET.
  ///   - body: the body, if it goes out in one piece. It must stay where it is.
  func prepare(url: String, headers: HeaderList, count: Int?, body: ByteSlice?, for transfer: Transfer) {
    forgetReason()
    usesNewConnection = false
    closesConnection = false
    // Kept: libcurl reads the list until the transfer is over.
    self.headers = headers
    let context = Unmanaged.passUnretained(transfer).toOpaque()
    for option in [
      CURLOPT_PRIVATE, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA,
      CURLOPT_PREREQDATA, CURLOPT_OPENSOCKETDATA,
    ] {
      _ = ccurl_set_pointer(easy, option, context)
    }
    text(CURLOPT_URL, url)
    _ = ccurl_set_pointer(easy, CURLOPT_HTTPHEADER, headers.list)
    guard let count else { return number(CURLOPT_HTTPGET, 1) }
    number(CURLOPT_POST, 1)
    _ = ccurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, count)
    // Without fields libcurl asks for the body piece by piece.
    _ = ccurl_set_pointer(easy, CURLOPT_POSTFIELDS, body?.baseAddress)
  }

  /// The connection that the transfer is on is one of HTTP/2, which others may share.
  var isHTTP2: Bool { ccurl_is_http2(easy) != 0 }

  /// TLS has taken bytes from the connection that nobody has read.
  var hasUnread: Bool { ccurl_tls_has_pending(easy) != 0 }

  /// How many bytes of requests the transfer has sent so far, on all connections.
  var bytesSent: Int {
    var count = 0
    return ccurl_get_number(easy, CURLINFO_REQUEST_SIZE, &count) == CURLE_OK ? count : 0
  }

  /// libcurl has found something wrong since ``forgetReason()``.
  var hasReason: Bool { reason[0] != 0 }

  func forgetReason() { reason[0] = 0 }

  /// The transfer is over, or never began.
  func release() { headers = nil }

  /// Why the transfer failed, for the operator.
  func reason(of result: CURLcode) -> String {
    reason[0] == 0 ? String(cString: ccurl_easy_strerror(result)) : String(cString: reason)
  }

  static func transfer(of easy: UnsafeMutableRawPointer) -> Transfer? {
    var context: UnsafeMutableRawPointer?
    guard ccurl_get_pointer(easy, CURLINFO_PRIVATE, &context) == CURLE_OK, let context else { return nil }
    return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  }

  private func number(_ option: CURLoption, _ value: Int) { _ = ccurl_set_number(easy, option, value) }
  private func text(_ option: CURLoption, _ value: String) { _ = ccurl_set_text(easy, option, value) }
}
