// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import NIOCore
import NIOPosix
import Records

/// Turns signals into calls on the event loop, by a signalfd.
final class Signals: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  /// What the kernel writes for each signal; its number comes first (signalfd(2)).
  private static let recordSize = 128

  private let take: (Int32) -> Void

  private init(_ take: @escaping (Int32) -> Void) { self.take = take }

  /// Blocks the signals for this thread and those it starts, so that they are only ever read.
  ///
  /// To be called before there are other threads.
  static func open() throws(Failure) -> Int32 {
    // Whoever started us may have ignored it, and children would never be heard of.
    signal(SIGCHLD, SIG_DFL)
    signal(SIGPIPE, SIG_IGN)
    let descriptor = clinux_signalfd([SIGTERM, SIGINT, SIGHUP, SIGCHLD], 4)
    guard descriptor >= 0 else {
      throw Failure(.system, "no signalfd: \(String(cString: strerror(errno)))", errno: errno)
    }
    return descriptor
  }

  static func watch(_ descriptor: Int32, on loop: any EventLoop, _ take: @escaping (Int32) -> Void) {
    let handler = NIOLoopBound(Signals(take), eventLoop: loop)
    NIOPipeBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
      }
      .takingOwnershipOfDescriptor(input: descriptor)
      .whenFailure { fatalError("signals can't be read: \($0)") }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    while var record = bytes.readSlice(length: Self.recordSize) {
      if let number = record.readInteger(endianness: .host, as: UInt32.self) { take(Int32(number)) }
    }
  }
}
