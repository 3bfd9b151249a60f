// SPDX-License-Identifier: MIT
import JSONText
import Logs
import NIOCore
import Records

/// Cuts what comes from the last stage into records, and never stops reading.
final class RecordReader: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private var splitter = LineSplitter()
  private unowned let pipeline: Pipeline
  private let front: Front

  init(_ pipeline: Pipeline, front: Front) {
    self.pipeline = pipeline
    self.front = front
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    unwrapInboundIn(data).withUnsafeReadableBytes { splitter.append($0.assumingMemoryBound(to: UInt8.self)) }
    while let piece = splitter.next() {
      switch piece {
      case .line(let bytes):
        if let line = Line(scanning: bytes) { front.take(line, from: pipeline) }
      case .tooLong(let head):
        front.log.write(.error, "a record of more than \(Limits.maxLine >> 20) MiB came from the pipeline")
        if let line = Line(scanning: head) { front.takeBroken(line) }
      }
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    front.flush()
    // An answer that came whole may be as large as a record; the next one is small again.
    splitter.release()
  }

  func channelInactive(context: ChannelHandlerContext) {
    front.flush()
    pipeline.outputEnded()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A write that failed shows that the first stage is gone; its exit is told by the system too.
    front.log.write(.debug, "the pipeline's channel: \(error)")
    context.close(promise: nil)
  }
}
