// SPDX-License-Identifier: MIT
import Logs
import NIOCore

/// Lets a listener rest for a moment when a connection could not be accepted, as where no descriptor is left.
///
/// NIO's own handler for this only puts the next read off. The channel stays registered for reading meanwhile, so that
/// the system tells it of the same waiting client again and again.
final class AcceptPause: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private let front: Front
  private var isResting = false

  init(_ front: Front) { self.front = front }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard error is IOError else { return context.fireErrorCaught(error) }
    guard !isResting else { return }
    isResting = true
    front.refused("no connection can be accepted: \(error)")
    let channel = context.channel
    try? channel.syncOptions?.setOption(.autoRead, value: false)
    context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(FrontLimits.acceptPause)) { [self] in
      isResting = false
      guard channel.isActive else { return }
      try? channel.syncOptions?.setOption(.autoRead, value: true)
      // The read that failed still counts as pending, so that nobody else asks for another one.
      context.read()
    }
  }
}
