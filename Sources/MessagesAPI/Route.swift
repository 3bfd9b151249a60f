// SPDX-License-Identifier: MIT
import CCurl

/// The connections that one transfer's request goes out on, and whether it may.
///
/// libcurl takes a kept connection where it has one, and goes on with another where that dies. It looks at neither what
/// waits on the one nor what became of the request on the other.
struct Route {
  private let transfer: Int
  private let sockets: Sockets
  /// On how many it went out.
  private(set) var connections = 0
  /// Sockets that were opened for it since it last had a connection.
  private var opened: [Int32] = []
  /// It has had a socket, so the upstream's name is looked up.
  private(set) var isLookedUp = false
  /// The kept connection that it is on, of HTTP/1; nil where it is a new one, or one of HTTP/2.
  private var kept: Int32?
  private(set) var isHTTP2 = false
  /// How many bytes libcurl had sent before this connection; nil before the first.
  private(set) var sentBefore: Int?
  /// The connection before has closed, and the upstream had received nothing of the request.
  private var wasUnreceived = false
  /// The request went out on a kept connection, of HTTP/1.
  private(set) var wentOutOnKept = false
  /// The kept connection that libcurl chose can't be trusted, so the request didn't go out on it, or not whole.
  private(set) var needsNewConnection = false

  /// An answer that nobody asked for waited on that connection.
  private(set) var hasFoundSurplus = false
  private let isTLS: Bool

  init(_ transfer: Int, _ sockets: Sockets, isTLS: Bool) {
    self.transfer = transfer
    self.sockets = sockets
    self.isTLS = isTLS
  }

  /// Another try begins.
  mutating func restart() {
    (needsNewConnection, hasFoundSurplus, wasUnreceived, sentBefore) = (false, false, false, nil)
  }

  /// libcurl has opened a socket.
  mutating func add(_ descriptor: Int32) {
    isLookedUp = true
    opened.append(descriptor)
    sockets.add(descriptor)
  }

  /// There is a connection; false where the request must not go out on that one.
  ///
  /// - Parameters:
  ///   - isSent: the upstream may have all of it already.
  ///   - repeats: that doesn't matter.
  mutating func mayGoOut(
    port: Int32, remote: UnsafePointer<CChar>?, _ handle: EasyHandle, isSent: Bool, repeats: Bool
  ) -> Bool {
    let isNew = !opened.isEmpty
    let socket = sockets.descriptor(port: port, remote: remote, among: opened)
    if isNew { opened = [] }
    guard sentBefore == nil || repeats || mayGoOutAgain(handle, isSent: isSent) else { return false }
    leave()
    isHTTP2 = handle.isHTTP2
    if !isNew, !isHTTP2, let socket {
      let waiting = Sockets.waiting(on: socket)
      guard waiting == .nothing, !handle.hasUnread else {
        needsNewConnection = true
        // What TLS has not taken apart yet may be the farewell of a server that closes the connection.
        hasFoundSurplus = handle.hasUnread || waiting == .bytes && !isTLS
        return false
      }
      kept = socket
      sockets.begin(transfer, on: socket)
    }
    wentOutOnKept = kept != nil
    connections += 1
    sentBefore = handle.bytesSent
    wasUnreceived = false
    handle.forgetReason()
    return true
  }

  /// Whether libcurl is right to send the request again. What the upstream may have is not sent again.
  private func mayGoOutAgain(_ handle: EasyHandle, isSent: Bool) -> Bool {
    if !isSent { return true }
    // With HTTP/2 libcurl goes on without a complaint only if the upstream reported that it did not begin with it. With
    // HTTP/1 it does where the upstream has closed its side; a reset tells nothing, as it need not wait for its
    // acknowledgements.
    return !handle.hasReason && (isHTTP2 || wasUnreceived)
  }

  /// The request is to go out again, on a new connection.
  mutating func requireNewConnection() { needsNewConnection = true }

  /// The other side can't have received anything of the request, so what comes is no answer to it.
  var isUnreceived: Bool { kept.map { sockets.isUnreceived(on: $0) } ?? false }

  /// The connection has closed.
  mutating func lost(isUnreceived: Bool) {
    kept = nil
    wasUnreceived = isUnreceived
  }

  /// The request is over, or goes out on another connection.
  mutating func leave() {
    if let kept { sockets.end(transfer, on: kept) }
    kept = nil
  }
}
