// SPDX-License-Identifier: MIT
import NIOCore

/// Stands before the decoder, and hands it no more bytes than the connection can take now.
///
/// A client may send many requests at once. The decoder would make all of them at once, tens of times as large as the
/// bytes they came in; so bytes after a request that is being answered wait here, and nothing more is read. The decoder
/// gets small pieces, but for the rest of a body whose length is known. All of this also goes for a client that doesn't
/// take its answers: see ``Connection/end(_:)``.
///
/// It also asks for the next read before anybody else does: while an answer is under way the handlers after it ask for
/// none, and the channel would call the system twice for each request, to stop watching for bytes and to start again.
final class Arrivals: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let connection: Connection
  /// It has asked for a read that nobody else has asked for since.
  private var isAhead = false
  /// Bytes that the decoder has not got.
  private var held: ByteBuffer?
  private var isFeeding = false
  /// A read was asked for while there were bytes already.
  private var owesRead = false
  /// The client has ended its input, which is a pipe; what it sent before comes first.
  private var owesEnd = false

  init(_ connection: Connection) { self.connection = connection }

  func handlerAdded(context: ChannelHandlerContext) {
    connection.wire = context
    connection.arrivals = self
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    connection.wire = nil
    connection.arrivals = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if connection.isClosing { return }
    var bytes = unwrapInboundIn(data)
    if held == nil, connection.takesBytes, bytes.readableBytes <= connection.mostBytes {
      connection.bytesCame()
      return context.fireChannelRead(data)
    }
    if held == nil { held = bytes } else { held!.writeBuffer(&bytes) }
    // Only a client that has ended its input gets here with more than one read: the rest is taken from the system then.
    guard held!.readableBytes <= connection.mostBytes + FrontLimits.maxHeld else { return context.close(promise: nil) }
    if !connection.takesBytes { connection.bytesCame() }
    feed(context)
  }

  /// Goes on, now that the connection can take more.
  func goOn() {
    guard let context = connection.wire else { return }
    feed(context)
  }

  private func feed(_ context: ChannelHandlerContext) {
    // A request that is answered at once comes back here from within; the loop goes on by itself.
    guard !isFeeding, held != nil else { return }
    isFeeding = true
    while connection.takesBytes, var bytes = held {
      held = nil
      let piece = bytes.readSlice(length: min(connection.mostBytes, bytes.readableBytes))!
      if bytes.readableBytes > 0 { held = bytes }
      connection.bytesCame()
      context.fireChannelRead(wrapInboundOut(piece))
    }
    isFeeding = false
    if connection.isClosing { held = nil }
    guard held == nil else { return }
    if owesEnd {
      owesEnd = false
      context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    } else if owesRead {
      read(context: context)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if !isAhead, !connection.isHolding, held == nil {
      isAhead = true
      context.read()
    }
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    owesRead = held != nil && !connection.isClosing
    guard !owesRead else { return }
    isAhead = false
    context.read()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard !connection.isClosing, case .some(.inputClosed) = event as? ChannelEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    if connection.isPipe {
      // The end of this pipe says nothing about the other one: what was sent before is still answered.
      guard held != nil else { return context.fireUserInboundEventTriggered(event) }
      owesEnd = true
    } else if held != nil || !connection.takesBytes {
      // The client is gone, whatever it has sent ahead: its request must not go on for nobody. The handlers after this
      // one would tell it only after the answers to all that.
      held = nil
      context.close(promise: nil)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    held = nil
    context.fireChannelInactive()
  }
}
