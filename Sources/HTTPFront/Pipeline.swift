// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Logs
import NIOCore
import NIOPosix
import Records

/// A running pipeline: its stages, and the channel to the first and from the last of them.
///
/// Without stages it is whoever reads our standard output and writes our standard input.
final class Pipeline {
  enum State: String {
    case running
    /// Takes no new requests; ends when those it has are answered.
    case draining
    /// Is being ended.
    case ending
    case gone
  }

  private(set) var state = State.running
  let startedAt = NIODeadline.now()
  /// Requests written to it whose answers have not ended.
  var open = 0
  /// Requests cancelled whose `end` is still to come, and until when it must.
  var cancelled: [RID: (exchange: Exchange, until: NIODeadline)] = [:]
  /// How far a health request of the front's own has come: a new pipeline is asked before it takes the place of
  /// another, a busy one from time to time.
  enum Trial {
    case asked(RID)
    case answering(RID)
    case passed
  }
  var trial = Trial.passed
  /// When it was last known to be well: it had nothing to do, or has answered; and when it was asked since.
  var wellAt = NIODeadline.now()
  var askedAt: NIODeadline?
  /// A cancelled request got no end in time, and it has answered no health request since.
  var isLate = false
  /// Since when it answers no health request: it is ended as soon as nothing flows from it any more.
  var stuckAt: NIODeadline?
  var isStuck: Bool { stuckAt != nil }
  /// When the latest of the requests was written that have got something of their answers. Those before it have passed
  /// all stages before the backend, since these keep the order.
  var passedAt = NIODeadline.distantPast
  /// A record for a client came from it since that was last looked at; and when that was seen.
  var hasMoved = false
  var movedAt = NIODeadline.now()
  private var stages: [Stage]
  /// The output has ended before any stage was seen to end: the last one is the reason, or one that crashed.
  private var isUnexplained = false
  private var channel: (any Channel)?
  /// Records written before the channel was there.
  private var early: [ByteBuffer] = []
  private var flushIsScheduled = false
  private let loop: any EventLoop
  private let log: Log
  /// Told once, when nothing more will come from it.
  private let onEnd: (Pipeline) -> Void
  /// Told once, when all its processes are collected.
  private let onGone: (Pipeline) -> Void

  /// - Throws: ``Failure`` of kind `unavailable`, with nothing left behind.
  init(
    _ commands: [[String]]?, environment: Environment, loop: any EventLoop, log: Log,
    reader: (Pipeline) -> RecordReader,
    onEnd: @escaping (Pipeline) -> Void, onGone: @escaping (Pipeline) -> Void
  ) throws(Failure) {
    self.loop = loop
    self.log = log
    self.onEnd = onEnd
    self.onGone = onGone
    let (input, output): (Int32, Int32)
    if let commands {
      (stages, input, output) = try Self.start(commands, environment)
    } else {
      stages = []
      (input, output) = StandardDescriptors.take()
    }
    let handler = NIOLoopBound(reader(self), eventLoop: loop)
    NIOPipeBootstrap(group: loop)
      .channelOption(.allowRemoteHalfClosure, value: false)
      // One read takes all that a pipe holds; a second one would only be told that there is no more.
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
      }
      .takingOwnershipOfDescriptors(input: input, output: output)
      .assumeIsolated()
      .whenComplete { [self] result in
        switch result {
        case .success(let channel):
          self.channel = channel
          if state == .gone { return channel.close(promise: nil) }
          for record in early { channel.write(record, promise: nil) }
          early = []
          channel.flush()
          if state == .ending { channel.close(mode: .output, promise: nil) }
        case .failure(let error):
          log.write(.error, "the pipeline's descriptors can't be used: \(error)")
          close(input)
          close(output)
          outputEnded()
        }
      }
  }

  /// Starts the stages from the first to the last, and returns our ends of the pipe.
  private static func start(
    _ commands: [[String]], _ environment: Environment
  ) throws(Failure) -> ([Stage], input: Int32, output: Int32) {
    var stages: [Stage] = []
    var ends: [Int32] = [-1, -1]
    func pipe() throws(Failure) {
      guard clinux_pipe(&ends) == 0 else {
        throw Failure(.system, "no pipe: \(String(cString: strerror(errno)))", errno: errno)
      }
    }
    try pipe()
    let output = ends[1]
    // What the next stage reads.
    var input = ends[0]
    do throws(Failure) {
      for words in commands {
        try pipe()
        defer { close(ends[1]) }
        stages.append(try Stage(words, input: input, output: ends[1], environment: environment))
        close(input)
        input = ends[0]
      }
    } catch {
      close(input)
      if ends[0] != input { close(ends[0]) }
      close(output)
      for stage in stages { stage.destroy() }
      throw error
    }
    return (stages, input, output)
  }

  // MARK: Records

  /// Whether records still reach its first stage.
  var takesRecords: Bool { state == .running || state == .draining }

  /// Writes a record when this wake-up's work is done, all of them in one go; never waits.
  func write(_ record: ByteBuffer) {
    guard takesRecords else { return }
    guard let channel else { return early.append(record) }
    channel.write(record, promise: nil)
    guard !flushIsScheduled else { return }
    flushIsScheduled = true
    loop.assumeIsolated().execute { [self] in
      flushIsScheduled = false
      self.channel?.flush()
    }
  }

  /// It has answered, or has nothing to do.
  func isWell(at now: NIODeadline) {
    (wellAt, askedAt) = (now, nil)
    (isLate, stuckAt) = (false, nil)
  }

  /// Something is expected of it: an end, an answer to a health request, or, where it is stuck, the end of its streams.
  var isAwaited: Bool { takesRecords && (!cancelled.isEmpty || askedAt != nil || isStuck) }

  /// Bytes written that the first stage has not yet taken.
  var bytesWaiting: Int {
    guard let channel, !channel.isWritable else { return 0 }
    return (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
  }

  // MARK: Ending

  /// Ends it when the requests it has are answered.
  func drain() {
    guard state == .running else { return }
    state = .draining
    endIfDrained()
  }

  func endIfDrained() {
    if state == .draining, open == 0, cancelled.isEmpty { end() }
  }

  /// Ends it in steps: end of input, TERM, KILL.
  func end() {
    guard takesRecords else { return }
    state = .ending
    guard !stages.isEmpty else {
      channel?.flush()
      return gone()
    }
    channel?.flush()
    channel?.close(mode: .output, promise: nil)
    after { $0.terminate() }
  }

  /// Ends it without waiting for its work: TERM, KILL.
  func kill() {
    guard takesRecords else { return }
    state = .ending
    onEnd(self)
    if stages.isEmpty { gone() } else { terminate() }
  }

  /// Ends it this instant.
  func destroy() {
    for stage in stages { stage.signal(SIGKILL) }
  }

  /// The last stage has closed its output.
  ///
  /// A process that crashes closes its descriptors first, so this is often known before its end.
  func outputEnded() {
    checkStages()
    isUnexplained = takesRecords && !stages.isEmpty
    kill()
  }

  /// A child of ours has ended: looks whether it was one of these.
  func checkStages() {
    var wasOne = false
    let isExpected = state == .ending
    for index in stages.indices where stages[index].checkEnded() {
      wasOne = true
      // The others end because they are told to, and often before the one that crashed has done so.
      let isReason = isUnexplained && (index == stages.count - 1 || stages[index].hasCrashed)
      let level: Output.Note.Level = isExpected && !isReason ? .debug : .warning
      let group = StageGroup.all(of: stages.map(\.words))[index]
      log.write(
        level, "\(group.processName) \(stages[index].ending)",
        fields: [("pid", .number(Int(stages[index].pid)))])
    }
    guard wasOne else { return }
    kill()
    if stages.allSatisfy(\.hasEnded) { gone() }
  }

  private func terminate() {
    for stage in stages { stage.signal(SIGTERM) }
    after { $0.destroy() }
  }

  private func after(_ action: @escaping (Pipeline) -> Void) {
    loop.assumeIsolated().scheduleTask(in: .milliseconds(FrontLimits.endStep)) { [self] in
      if state != .gone { action(self) }
    }
  }

  private func gone() {
    guard state != .gone else { return }
    state = .gone
    for stage in stages { stage.collect() }
    channel?.close(promise: nil)
    channel = nil
    onGone(self)
  }
}
