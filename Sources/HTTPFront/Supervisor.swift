// SPDX-License-Identifier: MIT
import Logs
import NIOCore
import Records

/// Keeps one pipeline running, or several beside each other.
final class Supervisor {
  /// Those that take new requests.
  private var running: [Pipeline] = []
  /// Those that are drained or ended.
  private var leaving: [Pipeline] = []
  /// The time before the next start; grows while pipelines die young.
  private var pause: Int64 = 0
  private var isStopping = false
  private unowned let front: Front
  /// Told when it has been stopped and no process is left.
  var onGone: () -> Void = {}
  /// Told when whoever is our pipeline, as we are a filter, has closed our standard input.
  var onInputEnd: () -> Void = {}

  init(_ front: Front) { self.front = front }

  /// Where new requests go, the one with the fewest; nil while there is none.
  var current: Pipeline? { running.count == 1 ? running[0] : running.min { $0.open < $1.open } }
  private var all: [Pipeline] { running + leaving }

  var stateText: String { !running.isEmpty ? "running" : isStopping ? "stopping" : "restarting" }
  var bytesWaiting: Int { running.reduce(0) { $0 + $1.bytesWaiting } }
  var inFlight: Int { all.reduce(0) { $0 + $1.open } }
  var awaitsEnds: Bool { all.contains { !$0.cancelled.isEmpty } }

  /// Starts what is missing.
  ///
  /// - Throws: ``Failure`` where a stage can't be started.
  func start() throws(Failure) {
    while running.count < front.settings.pipelines { try startOne() }
  }

  private func startOne() throws(Failure) {
    let front = self.front
    let pipeline = try Pipeline(
      front.settings.pipeline, loop: front.loop, log: front.log, reader: { RecordReader($0, front: front) },
      onEnd: { [unowned self] in ended($0) }, onGone: { [unowned self] in gone($0) })
    running.append(pipeline)
    front.submitQueue()
  }

  /// New requests go to a new pipeline, the old one ends when its requests are answered.
  func replace() {
    guard !isStopping, front.settings.pipeline != nil, !running.isEmpty else { return }
    let old = running
    running = []
    do throws(Failure) {
      leaving += old
      try start()
      for pipeline in old { pipeline.drain() }
    } catch {
      for pipeline in running { pipeline.drain() }
      leaving = leaving.filter { left in !old.contains { $0 === left } } + running
      running = old
      front.log.write(.error, "the pipeline stays as it is: \(error.message)")
    }
  }

  /// Ends all pipelines: end of input, TERM, KILL.
  func stop() {
    guard !isStopping else { return }
    isStopping = true
    leaving += running
    running = []
    if leaving.isEmpty { return onGone() }
    for pipeline in leaving { pipeline.end() }
  }

  func destroy() {
    isStopping = true
    for pipeline in all { pipeline.destroy() }
  }

  func childEnded() {
    for pipeline in all { pipeline.checkStages() }
  }

  /// A pipeline that leaves a cancelled request without its `end` is stuck.
  func checkCancelled(_ now: NIODeadline) {
    for pipeline in all {
      guard let late = pipeline.cancelled.first(where: { $0.value.until <= now }) else { continue }
      front.log.write(
        .error, "the pipeline is stuck: a cancelled request got no end within \(FrontLimits.cancelTimeout) s",
        ["id": late.key.text])
      pipeline.kill()
    }
  }

  private func ended(_ pipeline: Pipeline) {
    front.recordCancelled(of: pipeline)
    let wasRunning = running.contains { $0 === pipeline }
    if wasRunning {
      running.removeAll { $0 === pipeline }
      leaving.append(pipeline)
    }
    front.pipelineEnded(pipeline)
    guard wasRunning, !isStopping else { return }
    guard front.settings.pipeline != nil else { return onInputEnd() }
    front.metrics.addRestart()
    let wasYoung = NIODeadline.now() - pipeline.startedAt < .milliseconds(FrontLimits.youth)
    pause = wasYoung ? min(max(pause * 2, FrontLimits.firstPause), FrontLimits.longestPause) : 0
    scheduleStart()
  }

  private func scheduleStart() {
    front.loop.assumeIsolated().scheduleTask(in: .milliseconds(pause)) { [self] in
      guard !isStopping, running.count < front.settings.pipelines else { return }
      do throws(Failure) {
        try start()
        front.log.write(.info, "the pipeline was started again")
      } catch {
        front.log.write(.error, error.message)
        pause = min(max(pause * 2, FrontLimits.firstPause), FrontLimits.longestPause)
        scheduleStart()
      }
    }
  }

  private func gone(_ pipeline: Pipeline) {
    leaving.removeAll { $0 === pipeline }
    front.recordCancelled(of: pipeline)
    if isStopping, leaving.isEmpty { onGone() }
  }
}
