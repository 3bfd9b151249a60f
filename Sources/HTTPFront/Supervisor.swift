// SPDX-License-Identifier: MIT
import Logs
import NIOCore
import Records

/// Keeps a pipeline running.
final class Supervisor {
  /// Where new requests go; nil while there is none.
  private(set) var current: Pipeline?
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

  var stateText: String { current != nil ? "running" : isStopping ? "stopping" : "restarting" }
  var bytesWaiting: Int { current?.bytesWaiting ?? 0 }
  var inFlight: Int { leaving.reduce(current?.open ?? 0) { $0 + $1.open } }
  var awaitsEnds: Bool { current?.cancelled.isEmpty == false || leaving.contains { !$0.cancelled.isEmpty } }

  /// - Throws: ``Failure`` where a stage can't be started.
  func start() throws(Failure) {
    let front = self.front
    let pipeline = try Pipeline(
      front.settings.pipeline, loop: front.loop, log: front.log, reader: { RecordReader($0, front: front) },
      onEnd: { [unowned self] in ended($0) }, onGone: { [unowned self] in gone($0) })
    guard pipeline.takesRecords else { return }
    current = pipeline
    front.submitQueue()
  }

  /// New requests go to a new pipeline, the old one ends when its requests are answered.
  func replace() {
    guard !isStopping, front.settings.pipeline != nil, let old = current else { return }
    do throws(Failure) {
      leaving.append(old)
      try start()
      old.drain()
    } catch {
      leaving.removeAll { $0 === old }
      front.log.write(.error, "the pipeline stays as it is: \(error.message)")
    }
  }

  /// Ends all pipelines: end of input, TERM, KILL.
  func stop() {
    guard !isStopping else { return }
    isStopping = true
    if let current { leaving.append(current) }
    current = nil
    if leaving.isEmpty { return onGone() }
    for pipeline in leaving { pipeline.end() }
  }

  func destroy() {
    isStopping = true
    current?.destroy()
    for pipeline in leaving { pipeline.destroy() }
  }

  func childEnded() {
    for pipeline in leaving { pipeline.checkStages() }
    current?.checkStages()
  }

  /// A pipeline that leaves a cancelled request without its `end` is stuck.
  func checkCancelled(_ now: NIODeadline) {
    for pipeline in leaving + (current.map { [$0] } ?? []) {
      guard let late = pipeline.cancelled.first(where: { $0.value.until <= now }) else { continue }
      front.log.write(
        .error, "the pipeline is stuck: a cancelled request got no end within \(FrontLimits.cancelTimeout) s",
        ["id": late.key.text])
      pipeline.kill()
    }
  }

  private func ended(_ pipeline: Pipeline) {
    front.recordCancelled(of: pipeline)
    let wasCurrent = current === pipeline
    if wasCurrent {
      current = nil
      leaving.append(pipeline)
    }
    front.pipelineEnded(pipeline)
    guard wasCurrent, !isStopping else { return }
    guard front.settings.pipeline != nil else { return onInputEnd() }
    front.metrics.addRestart()
    let wasYoung = NIODeadline.now() - pipeline.startedAt < .milliseconds(FrontLimits.youth)
    pause = wasYoung ? min(max(pause * 2, FrontLimits.firstPause), FrontLimits.longestPause) : 0
    scheduleStart()
  }

  private func scheduleStart() {
    front.loop.assumeIsolated().scheduleTask(in: .milliseconds(pause)) { [self] in
      guard !isStopping, current == nil else { return }
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
