// SPDX-License-Identifier: MIT
import NIOCore

/// Stands before the decoder, and tells the connection that bytes came, also where they make no request yet.
///
/// It also asks for the next read before anybody else does: while an answer is under way the handlers behind it ask for
/// none, and the channel would turn to the system twice with each request, to be told of bytes no more, and then again.
/// A client that sends more meanwhile is read once, and then waits.
final class Arrivals: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let connection: Connection
  /// It has asked for a read that nobody else has asked for since.
  private var isAhead = false

  init(_ connection: Connection) { self.connection = connection }

  func handlerAdded(context: ChannelHandlerContext) { connection.wire = context }

  func handlerRemoved(context: ChannelHandlerContext) { connection.wire = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.bytesCame()
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if !isAhead, !connection.isHolding {
      isAhead = true
      context.read()
    }
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    isAhead = false
    context.read()
  }
}

/// What a connection waits for from its client, and since when.
enum Awaited {
  /// The first byte of a request.
  case request
  /// The rest of a head.
  case head
  /// More of a body.
  case body
  /// Nothing: it is the client who waits.
  case nothing
}

extension Connection {
  /// Ends the connection of a client that was waited for long enough.
  func checkPatience(_ now: NIODeadline) {
    let settings = front.settings
    switch awaited {
    case .nothing: return
    case .request:
      checkTaken()
      if now - awaitedSince > settings.idleTimeout { context?.close(promise: nil) }
    case .head: if now - awaitedSince > settings.headerTimeout { giveUp(.slowHead) }
    case .body: if now - awaitedSince > settings.bodyTimeout { giveUp(.slowBody) }
    }
  }
}
