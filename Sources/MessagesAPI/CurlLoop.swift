// SPDX-License-Identifier: MIT
import CCurl
import Reactor

/// libcurl's transfers on our reactor: it says which descriptors and what time it waits for, we tell it what came.
///
/// - SeeAlso: <https://curl.se/libcurl/c/libcurl-multi.html>
final class CurlLoop {
  /// Called with each handle that is done, when it has left the loop.
  var done: (_ easy: UnsafeMutableRawPointer, _ result: CURLcode) -> Void = { _, _ in }

  /// Called when libcurl has done what there was to do: the place to start more.
  var rested: () -> Void = {}

  /// Those that libcurl has open. They close with the loop at the latest.
  let sockets = Sockets()

  private let multi: UnsafeMutableRawPointer
  private let reactor: Reactor
  private var timer: Reactor.Timer?
  /// What the reactor waits for on a connection that libcurl waits for, or has waited for.
  ///
  /// A kept connection has its place in epoll also between two requests: to leave it and to come back takes two system
  /// calls for each request.
  private var watched: [Int32: Int32] = [:]
  /// Those between two requests.
  private var resting: Set<Int32> = []

  /// - Parameters:
  ///   - connections: how many are kept for later requests. There is no limit to those in use.
  ///   - streams: how many requests may share a connection, where the server allows as many.
  init(_ reactor: Reactor, keeping connections: Int, streams: Int) {
    self.reactor = reactor
    ccurl_global_init(Int(CURL_GLOBAL_DEFAULT))
    guard let multi = ccurl_multi_init() else { fatalError("libcurl can't be set up") }
    self.multi = multi
    let context = Unmanaged.passUnretained(self).toOpaque()
    _ = ccurl_multi_set_socket_callback(multi) { _, socket, what, context, _ in
      Unmanaged<CurlLoop>.fromOpaque(context!).takeUnretainedValue().watch(socket, what)
      return 0
    }
    _ = ccurl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, context)
    _ = ccurl_multi_set_timer_callback(multi) { _, milliseconds, context in
      Unmanaged<CurlLoop>.fromOpaque(context!).takeUnretainedValue().wait(milliseconds)
      return 0
    }
    _ = ccurl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, context)
    _ = ccurl_multi_set_number(multi, CURLMOPT_MAXCONNECTS, connections)
    _ = ccurl_multi_set_number(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, streams)
    sockets.leaving = { [unowned self] socket in unwatch(socket) }
  }

  deinit {
    reactor.cancel(timer)
    // They close now, when nothing watches them any more.
    sockets.leaving = { _ in }
    ccurl_multi_cleanup(multi)
  }

  /// Starts a transfer; false where libcurl refuses it.
  func add(_ easy: UnsafeMutableRawPointer) -> Bool { ccurl_multi_add_handle(multi, easy) == CURLM_OK }

  /// Has libcurl begin with the transfers that were added, as far as nothing must be waited for.
  func begin() { act(CURL_SOCKET_TIMEOUT, 0) }

  /// Ends a transfer at once; its connection is closed where it was in the midst of an answer. Not to be called from
  /// a callback of libcurl's.
  func remove(_ easy: UnsafeMutableRawPointer) { ccurl_multi_remove_handle(multi, easy) }

  private func watch(_ socket: curl_socket_t, _ what: Int32) {
    guard what != CURL_POLL_REMOVE else {
      // Of others nobody says when they are closed.
      guard sockets.isOpen(socket), watched[socket] != nil else { return unwatch(socket) }
      resting.insert(socket)
      return
    }
    if resting.remove(socket) != nil, watched[socket] == what { return }
    watched[socket] = what
    var events: Reactor.Events = []
    if what & CURL_POLL_IN != 0 { events.insert(.readable) }
    if what & CURL_POLL_OUT != 0 { events.insert(.writable) }
    reactor.watch(socket, for: events) { [unowned self] ready in
      // The end of a kept connection, or bytes that nobody asked for: both are looked for before it is used again.
      guard !resting.contains(socket) else { return unwatch(socket) }
      var came: Int32 = 0
      if !ready.isDisjoint(with: .readable) { came |= CURL_CSELECT_IN }
      if !ready.isDisjoint(with: .writable) { came |= CURL_CSELECT_OUT }
      if !ready.isDisjoint(with: .hangUp) { came |= CURL_CSELECT_ERR }
      act(socket, came)
    }
  }

  private func unwatch(_ socket: curl_socket_t) {
    watched[socket] = nil
    resting.remove(socket)
    reactor.unwatch(socket)
  }

  private func wait(_ milliseconds: Int) {
    reactor.cancel(timer)
    timer = nil
    guard milliseconds >= 0 else { return }
    timer = reactor.after(milliseconds: milliseconds) { [unowned self] in
      timer = nil
      act(CURL_SOCKET_TIMEOUT, 0)
    }
  }

  private func act(_ socket: curl_socket_t, _ came: Int32) {
    var running: Int32 = 0
    ccurl_multi_socket_action(multi, socket, came, &running)
    var left: Int32 = 0
    while let message = ccurl_multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
      let result = ccurl_result(message)
      remove(easy)
      done(easy, result)
    }
    rested()
  }
}
