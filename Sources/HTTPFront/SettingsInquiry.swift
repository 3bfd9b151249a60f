// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import NIOCore
import NIOPosix
import Records

/// Asks a program what it would start us with now: the options and the environment.
///
/// It writes on its standard output the number of the options, the options, and the variables of the environment as
/// `NAME=value`, each with a zero byte after it; where it fails, it says why on its standard error.
final class SettingsInquiry {
  struct Answer {
    var words: [String]
    var environment: Environment
  }

  private let program: Stage
  private let output = PipeContents()
  private let errors = PipeContents()
  private var told: ((Result<Answer, Failure>) -> Void)?

  /// - Throws: ``Failure`` where it can't be started.
  init(
    _ words: [String], environment: Environment, loop: any EventLoop,
    told: @escaping (Result<Answer, Failure>) -> Void
  ) throws(Failure) {
    var descriptors: [Int32] = [open("/dev/null", O_RDONLY | O_CLOEXEC)]
    defer { for descriptor in descriptors { close(descriptor) } }
    var ends: [Int32] = [-1, -1]
    for _ in 0..<2 {
      guard clinux_pipe(&ends) == 0 else {
        throw Failure(.system, "no pipe: \(String(cString: strerror(errno)))", errno: errno)
      }
      descriptors += ends
    }
    program = try Stage(
      words, input: descriptors[0], output: descriptors[2], errors: descriptors[4], environment: environment,
      for: .inquiry)
    let reading = [descriptors[1], descriptors[3]]
    descriptors = [descriptors[0], descriptors[2], descriptors[4]]
    self.told = told
    for (descriptor, contents) in zip(reading, [output, errors]) {
      contents.take(from: descriptor, loop) { [self] in checkEnded() }
    }
    loop.assumeIsolated().scheduleTask(in: .seconds(FrontLimits.inquiryTimeout)) { [self] in
      end(.failure(Failure(.unavailable, "\(words[0]) did not end within \(FrontLimits.inquiryTimeout) s")))
    }
  }

  /// To be called when a child has ended: it may be this one.
  func checkEnded() {
    // What it has written counts only if it then said that all was well.
    guard told != nil, output.hasEnded, errors.hasEnded, program.checkEnded() else { return }
    guard program.status == 0 else {
      let said = String(decoding: errors.bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
      return end(
        .failure(Failure(.configuration, (["\(program.words[0]) \(program.ending)"] + said).joined(separator: "; "))))
    }
    guard output.bytes.count <= FrontLimits.maxInquiry, let answer = Self.answer(output.bytes) else {
      return end(.failure(Failure(.configuration, "\(program.words[0]) wrote something else than options")))
    }
    end(.success(answer))
  }

  private func end(_ result: Result<Answer, Failure>) {
    guard let told else { return }
    destroy()
    told(result)
  }

  /// Gives it up.
  func destroy() {
    guard told != nil else { return }
    told = nil
    program.destroy()
  }

  /// Takes what it wrote apart; nil where that has another form.
  static func answer(_ bytes: [UInt8]) -> Answer? {
    guard bytes.last == 0 else { return nil }
    let parts = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
    guard let first = parts.first, let count = Int(String(decoding: first, as: UTF8.self)), count >= 0,
      parts.count > count
    else { return nil }
    return Answer(
      words: parts[1...].prefix(count).map { String(decoding: $0, as: UTF8.self) },
      environment: Environment(parts.dropFirst(1 + count)))
  }
}

/// All that comes from a pipe, up to the most that a program may tell.
private final class PipeContents: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private(set) var bytes: [UInt8] = []
  private(set) var hasEnded = false
  private var onEnd: () -> Void = {}

  func take(from descriptor: Int32, _ loop: any EventLoop, onEnd: @escaping () -> Void) {
    self.onEnd = onEnd
    let handler = NIOLoopBound(self, eventLoop: loop)
    NIOPipeBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
      }
      .takingOwnershipOfDescriptor(input: descriptor)
      .assumeIsolated()
      .whenFailure { [self] _ in
        close(descriptor)
        end()
      }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes += unwrapInboundIn(data).readableBytesView
    // What is cut off is no answer, and the program is told by its pipe.
    if bytes.count > FrontLimits.maxInquiry { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) { end() }

  private func end() {
    hasEnded = true
    onEnd()
  }
}
