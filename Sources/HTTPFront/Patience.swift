// SPDX-License-Identifier: MIT
import NIOCore

/// Stands before the decoder, and tells the connection that bytes came, also where they make no request yet.
final class Arrivals: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let connection: Connection

  init(_ connection: Connection) { self.connection = connection }

  func handlerAdded(context: ChannelHandlerContext) { connection.wire = context }

  func handlerRemoved(context: ChannelHandlerContext) { connection.wire = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.bytesCame()
    context.fireChannelRead(data)
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
