// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import NIOHTTP1
import Records

/// One client's connection: takes its requests, one after another, and writes the answers.
///
/// `HTTPServerPipelineHandler` stands before it: a request comes only when the answer to the one before has ended.
final class Connection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  let front: Front
  /// The address under which it counts among those of one client, if it does.
  private let address: String?
  /// The address of the other side, without its port.
  private let peer: String
  /// Input and output are two pipes: the end of the one says nothing about the other.
  let isPipe: Bool
  /// The listener's address is loopback's: only programs of this machine come here, but browsers are among them.
  let isLocal: Bool
  var context: ChannelHandlerContext?
  /// The context of the handler next to the socket: bytes that need no encoder go this way.
  var wire: ChannelHandlerContext?
  var arrivals: Arrivals?
  private(set) var current: Exchange?
  private(set) var awaited = Awaited.request
  private(set) var awaitedSince: NIODeadline
  /// What the client had not taken of its answers when that was last looked at, in bytes.
  private var untaken = 0
  private var requestIsWhole = true
  /// Bytes of the next request came before the answer to this one had ended.
  private var hasEarlyBytes = false
  /// It has had a request.
  private var hasBegun = false
  private(set) var isClosing = false
  /// An answer is complete but for its end, which waits until the client has taken most of it.
  private var owesEnd = false
  /// What came of a body while there was no room for it; nothing more is read then.
  private var held: [ByteBuffer] = []
  private var heldSince: NIODeadline?
  /// What the front counts as waiting for this client, in bytes.
  private(set) var counted = 0
  /// Within ``flush(_:)``, which may be told that there is room again by its own write.
  var isFlushing = false

  init(front: Front, peer: String, address: String?, isPipe: Bool, isLocal: Bool) {
    self.front = front
    awaitedSince = front.patientNow
    self.peer = peer
    self.address = address
    self.isPipe = isPipe
    self.isLocal = isLocal
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    front.opened(self)
  }

  private func await(_ awaited: Awaited) {
    self.awaited = awaited
    awaitedSince = front.patientNow
  }

  /// Who still takes its last answer isn't idle.
  func checkTaken() {
    let left = bytesWritten
    if left < untaken { awaitedSince = front.patientNow }
    untaken = left
  }

  /// Bytes came; what they are isn't known yet.
  func bytesCame() {
    switch awaited {
    case .request: self.await(.head)
    case .nothing, .taking: hasEarlyBytes = true
    case .head, .body: break
    }
  }

  /// More of what the client sends can be looked at: nothing is under way that has to end first.
  var takesBytes: Bool { awaited != .nothing && awaited != .taking && !isClosing && heldSince == nil }

  /// How many bytes it can take at once: the rest of a body costs no more than its bytes.
  var mostBytes: Int { max(FrontLimits.maxPiece, current?.bodyLeft ?? 0) }

  /// Answers a client that doesn't send what it has begun.
  func giveUp(_ error: APIError) {
    guard !isClosing else { return }
    if owesEnd || current == nil && !requestIsWhole { return abort() }
    let exchange = current ?? openNameless()
    guard exchange.stage == .arriving else { return abort() }
    exchange.keepsConnection = false
    requestIsWhole = false
    answer(exchange, front.answer(error, to: exchange))
  }

  /// A request that can't be read has no head; a made-up one carries the answer.
  private func openNameless() -> Exchange {
    let exchange = front.open(
      HTTPRequestHead(version: .http1_1, method: .GET, uri: "*"), peer: peer, connection: self)
    current = exchange
    return exchange
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosing else { return }
    switch unwrapInboundIn(data) {
    case .head(let head):
      requestIsWhole = false
      self.await(.body)
      begin(head)
    case .body(let bytes):
      self.await(.body)
      // Without a current exchange it is the rest of one that was refused.
      if let current, current.stage == .arriving { take(bytes, of: current) }
    case .end(let trailers):
      requestIsWhole = true
      self.await(owesEnd ? .taking : current == nil ? .request : .nothing)
      if let trailers, let current, current.stage == .arriving, let error = front.wrongTrailers(trailers) {
        current.keepsConnection = false
        return answer(current, front.answer(error, to: current))
      }
      if heldSince == nil, let current, current.stage == .arriving { requestEnded(current) }
    }
  }

  private func begin(_ head: HTTPRequestHead) {
    let exchange = front.open(head, peer: peer, connection: self)
    current = exchange
    hasBegun = true
    hasEarlyBytes = false
    if front.isStopping { exchange.keepsConnection = false }
    if let refusal = front.admit(exchange) { return refuse(exchange, refusal) }
    guard exchange.check != nil,
      head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" }),
      !exchange.isOld, let context
    else { return }
    context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
  }

  private func take(_ bytes: ByteBuffer, of exchange: Exchange) {
    guard exchange.check != nil else { return }
    guard heldSince == nil else { return held.append(bytes) }
    guard exchange.bodyBytes + bytes.readableBytes <= front.settings.maxBody else {
      return refuse(exchange, front.answer(.tooLarge(front.settings.maxBody), to: exchange))
    }
    guard front.reserve(bytes.readableBytes, for: exchange) else {
      held.append(bytes)
      heldSince = front.patientNow
      return readOn(false)
    }
    do throws(JSONCheck.Fault) {
      try exchange.take(bytes)
    } catch {
      refuse(
        exchange,
        front.answer(error.isTooLarge ? .tooManyNodes(front.settings.maxNodes) : .notJSON(error), to: exchange))
    }
  }

  /// Nothing more is to be read now.
  var isHolding: Bool { heldSince != nil }

  private func readOn(_ reads: Bool) {
    try? context?.channel.syncOptions?.setOption(.autoRead, value: reads)
  }

  /// Goes on with a body that had to wait for room; gives up when that takes too long.
  func tryHeld(_ now: NIODeadline) {
    guard let since = heldSince else { return }
    let pieces = held
    (held, heldSince) = ([], nil)
    for piece in pieces {
      if let current, current.stage == .arriving { take(piece, of: current) }
    }
    if heldSince != nil {
      heldSince = since
      if now - since > .seconds(FrontLimits.roomTimeout) {
        giveUp(.overloaded)
        (held, heldSince) = ([], nil)
        readOn(true)
        arrivals?.goOn()
      }
      return
    }
    readOn(true)
    if requestIsWhole, let current, current.stage == .arriving { requestEnded(current) }
    arrivals?.goOn()
  }

  /// Tells the front how much waits for the client now.
  func recount() {
    let waiting = context == nil ? 0 : bytesWaiting
    guard waiting != counted else { return }
    front.answersWait(waiting - counted)
    counted = waiting
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if !isFlushing { recount() }
    // What had to wait for room goes on.
    if !isFlushing, context.channel.isWritable {
      if owesEnd {
        writeEnd()
      } else if let current, current.stage == .answering, !current.collects {
        flush(current)
      }
    }
    context.fireChannelWritabilityChanged()
  }

  private func requestEnded(_ exchange: Exchange) {
    // Chunks of nothing are no body either.
    if exchange.bodyBytes == 0, exchange.route?.body == .optional { exchange.check = nil }
    if let check = exchange.check {
      if let fault = check.endFault { return answer(exchange, front.answer(.notJSON(fault), to: exchange)) }
      guard check.firstByte == UInt8(ascii: "{") else {
        return answer(exchange, front.answer(.notObject, to: exchange))
      }
    }
    front.serve(exchange)
  }

  /// Answers a request whose body may still be on its way.
  private func refuse(_ exchange: Exchange, _ refusal: LocalAnswer) {
    let headers = exchange.head.headers
    let length = headers.first(name: "content-length").flatMap { Int($0) }
    // A body that will be short is read to its end; otherwise the connection ends with this answer.
    if headers.contains(name: "expect") || headers.contains(name: "transfer-encoding")
      || length ?? 0 > FrontLimits.maxDiscard
    {
      exchange.keepsConnection = false
    }
    answer(exchange, refusal)
  }

  /// Writes an answer's last part, and forgets its request.
  ///
  /// The next request of a pipelining client comes from within that write. So the end is kept back as long as the client
  /// leaves too much of the answer: or each answer would wait in memory for a client that reads none.
  func end(_ exchange: Exchange) {
    guard let context else { return }
    current = nil
    guard exchange.keepsConnection else { return endAndClose() }
    if !context.channel.isWritable {
      isFlushing = true
      context.flush()
      isFlushing = false
      recount()
    }
    guard !context.channel.isWritable else { return writeEnd() }
    owesEnd = true
    if requestIsWhole { self.await(.taking) }
  }

  private func writeEnd() {
    guard let context else { return }
    owesEnd = false
    if requestIsWhole { self.await(hasEarlyBytes ? .head : .request) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    arrivals?.goOn()
  }

  private func endAndClose() {
    guard let context else { return }
    (isClosing, owesEnd) = (true, false)
    awaitedSince = front.patientNow
    let written = context.eventLoop.makePromise(of: Void.self)
    // Not before the system has it all: closing throws away what still waits for a slow client.
    written.futureResult.assumeIsolated().whenComplete { [self] _ in close(lingering: !requestIsWhole) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    recount()
  }

  /// Breaks an answer off: the client sees that it isn't whole.
  func abort() {
    current = nil
    isClosing = true
    context?.close(promise: nil)
  }

  /// Closes after what was written; lingering, it reads on for a while, because closing a socket with unread bytes
  /// resets the connection, and the client may lose the answer.
  private func close(lingering: Bool) {
    guard let context else { return }
    guard lingering, !isPipe else { return context.close(promise: nil) }
    context.close(mode: .output, promise: nil)
    let channel = context.channel
    context.eventLoop.scheduleTask(in: .seconds(FrontLimits.linger)) { channel.close(promise: nil) }
  }

  /// Takes no further request: the answer under way is the last.
  ///
  /// Who was just let in has sent its first request, or is about to, and had no chance to learn of our end: that one
  /// is waited for, a little.
  func quiesce() {
    current?.keepsConnection = false
    guard let context else { return }
    guard !hasBegun else { return context.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(FrontLimits.newcomerWait)) { [self] in
      if let context = self.context { context.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }
  }

  // MARK: The end of the connection

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .some(.inputClosed) = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
    if isPipe, requestIsWhole, let current {
      current.keepsConnection = false
    } else if isPipe, owesEnd {
      endAndClose()
    } else if isPipe, isClosing {
      return
    } else {
      // Nobody can tell a client that has closed its connection from one that has only ended its requests.
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    if let current {
      self.current = nil
      front.clientGone(current)
    }
  }

  // Comes for every channel, also for one that was closed before it was active.
  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    recount()
    front.closed(self, address: address)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The last answer is on its way; that no request was there for it, or that one is broken, must not cut it off.
    if isClosing { return }
    guard let error = error as? HTTPParserError, error != .invalidEOFState, !owesEnd else {
      return context.close(promise: nil)
    }
    let exchange = current ?? openNameless()
    guard exchange.stage == .arriving else { return abort() }
    exchange.keepsConnection = false
    requestIsWhole = false
    answer(exchange, front.answer(.malformed(error), to: exchange))
  }
}
