// SPDX-License-Identifier: MIT
import Logs
import NIOCore
import Records

/// Keeps one pipeline running, or several beside each other.
final class Supervisor {
  /// Those that take new requests.
  private(set) var running: [Pipeline] = []
  /// Those that are to take the place of the running ones when each has answered a health request.
  private var candidates: [Pipeline] = []
  private var candidateSettings: FrontSettings?
  /// Told how the replacement has ended: why not, or nothing.
  private var replaced: (Failure?) -> Void = { _ in }
  /// Those that are drained or ended.
  private(set) var leaving: [Pipeline] = []
  /// The time before the next start; grows while pipelines die young.
  private var pause: Int64 = 0
  private var isStopping = false
  /// Pipelines made by these settings know what a health request is.
  private(set) var answersHealth = false
  /// The server stays for many clients, so that a health request at the start pays.
  var watchesStart = false
  unowned let front: Front
  /// Says which stage is wrong, where a pipeline never answers.
  private(set) lazy var diagnosis = PipelineDiagnosis(front)
  /// Told when it has been stopped and no process is left.
  var onGone: () -> Void = {}
  /// Told when whoever is our pipeline, as we are a filter, has closed our standard input.
  var onInputEnd: () -> Void = {}

  init(_ front: Front) { self.front = front }

  /// Where new requests go, the one with the fewest; nil while there is none.
  var current: Pipeline? { running.count == 1 ? running[0] : running.min { $0.open < $1.open } }
  var all: [Pipeline] { running + candidates + leaving }

  var stateText: String { !running.isEmpty ? "running" : isStopping ? "stopping" : "restarting" }
  var bytesWaiting: Int { all.reduce(0) { $0 + $1.bytesWaiting } }
  var inFlight: Int { all.reduce(0) { $0 + $1.open } }
  /// Something is expected of a pipeline though no client may be there.
  var awaitsEnds: Bool { all.contains { $0.isAwaited } }

  /// Starts what is missing.
  ///
  /// - Throws: ``Failure`` where a stage can't be started.
  func start() throws(Failure) {
    while running.count < front.settings.pipelines { try startOne() }
  }

  private func startOne() throws(Failure) {
    let pipeline = try make(front.settings)
    running.append(pipeline)
    front.submitQueue()
    if watchesStart { watchStart(of: pipeline) }
  }

  /// Asks a new pipeline whether it is well, and has its stages tried where it doesn't answer in time.
  private func watchStart(of pipeline: Pipeline) {
    guard front.settings.pipeline != nil, !answersHealth else { return }
    ask(pipeline)
    front.loop.assumeIsolated().scheduleTask(in: .seconds(FrontLimits.trialTimeout)) { [self] in
      if !answersHealth, pipeline.takesRecords { diagnosis.begin(PipelineDiagnosis.neverAnswered) }
    }
  }

  private func make(_ settings: FrontSettings) throws(Failure) -> Pipeline {
    let front = self.front
    return try Pipeline(
      settings.pipeline, environment: settings.environment, loop: front.loop, log: settings.log,
      reader: { RecordReader($0, front: front) }, onEnd: { [unowned self] in ended($0) },
      onGone: { [unowned self] in gone($0) })
  }

  /// Ends all pipelines: end of input, TERM, KILL.
  func stop() {
    guard !isStopping else { return }
    isStopping = true
    diagnosis.cancel()
    leaving += running + candidates
    (running, candidates) = ([], [])
    if leaving.isEmpty { return onGone() }
    for pipeline in leaving { pipeline.end() }
  }

  func destroy() {
    isStopping = true
    diagnosis.cancel()
    for pipeline in all { pipeline.destroy() }
  }

  func childEnded() {
    for pipeline in all { pipeline.checkStages() }
  }

  /// A health request was answered.
  func sawHealth() { answersHealth = true }

  /// Starts another pipeline beside a running one that is stuck, and lets that one go.
  ///
  /// What still flows from it goes on; it gets no new requests.
  func replaceStuck(_ pipeline: Pipeline) {
    guard running.contains(where: { $0 === pipeline }) else { return }
    running.removeAll { $0 === pipeline }
    leaving.append(pipeline)
    front.metrics.addRestart()
    pause = 0
    scheduleStart()
    pipeline.drain()
  }

  private func ended(_ pipeline: Pipeline) {
    front.recordCancelled(of: pipeline)
    if candidates.contains(where: { $0 === pipeline }) {
      diagnosis.begin("the new pipeline ended as soon as it was started", by: candidateSettings)
      return reject(Failure(.unavailable, "the new pipeline ended before it had answered a health request"))
    }
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
    if wasYoung, !answersHealth { diagnosis.begin("the pipeline ended as soon as it was started") }
    pause = wasYoung ? min(max(pause * 2, FrontLimits.firstPause), FrontLimits.longestPause) : 0
    scheduleStart()
  }

  // MARK: The place of one taken by another

  /// Starts pipelines by other settings, and has each answer a health request.
  ///
  /// - Parameter told: called once. Where the new ones can't answer, all is as it was; else the caller puts the
  ///   settings in force: new requests go to the new pipelines already, the old ones end when theirs are answered.
  func replace(by settings: FrontSettings, told: @escaping (Failure?) -> Void) {
    guard !isStopping, settings.pipeline != nil else { return told(nil) }
    replaced = told
    candidateSettings = settings
    do throws(Failure) {
      for _ in 0..<settings.pipelines {
        let pipeline = try make(settings)
        candidates.append(pipeline)
        ask(pipeline)
      }
    } catch {
      return reject(error)
    }
    let tried = candidates
    front.loop.assumeIsolated().scheduleTask(in: .seconds(FrontLimits.trialTimeout)) { [self] in
      guard candidates.contains(where: { candidate in tried.contains { $0 === candidate } }) else { return }
      diagnosis.begin("the new pipeline did not answer a health request", by: settings)
      reject(
        Failure(
          .unavailable, "the new pipeline did not answer a health request within \(FrontLimits.trialTimeout) s"))
    }
  }

  /// The status by which a stage refuses a record that another stage has spoilt; no backend says so of its health.
  static let brokenRecord = 502

  /// Whether a backend answers a health request with this status; any other is an error of some stage.
  static func isOfHealth(_ status: Int) -> Bool { status == 200 || status == 503 }

  /// Whether a record was for a health request that a candidate was asked.
  ///
  /// - Parameter status: of an `http` record.
  func take(_ kind: Line.Kind, of rid: RID, from pipeline: Pipeline, status: Int?) -> Bool {
    switch (pipeline.trial, kind) {
    case (.asked(rid), .http) where status == Self.brokenRecord:
      pipeline.trial = .passed
      (pipeline.wellAt, pipeline.askedAt) = (.now(), nil)
      let isCandidate = candidates.contains { $0 === pipeline }
      diagnosis.begin(PipelineDiagnosis.answeredByError, by: isCandidate ? candidateSettings : nil)
      guard isCandidate else { break }
      reject(Failure(.unavailable, "the new pipeline answered a health request with an error of a stage"))
    case (.asked(rid), .http):
      pipeline.trial = .answering(rid)
      // One that knows nothing of health may serve well, so it is not refused.
      if let status, !Self.isOfHealth(status) {
        let isCandidate = candidates.contains { $0 === pipeline }
        diagnosis.begin(PipelineDiagnosis.answeredByError, by: isCandidate ? candidateSettings : nil)
      }
    case (.answering(rid), .data): break
    case (.answering(rid), .end):
      pipeline.trial = .passed
      pipeline.isWell(at: .now())
      answersHealth = true
      promote()
    case (.asked(rid), _), (.answering(rid), _):
      guard candidates.contains(where: { $0 === pipeline }) else { break }
      reject(Failure(.unavailable, "the new pipeline did not answer a health request by HTTP records"))
    default: return false
    }
    return true
  }

  /// Lets the candidates take the place of the others, when all of them have answered.
  private func promote() {
    let hasPassed = candidates.allSatisfy { if case .passed = $0.trial { true } else { false } }
    guard !candidates.isEmpty, hasPassed, !isStopping else { return }
    let old = running
    leaving += old
    running = candidates
    candidates = []
    pause = 0
    let told = replaced
    replaced = { _ in }
    told(nil)
    front.submitQueue()
    for pipeline in old { pipeline.drain() }
  }

  private func reject(_ failure: Failure) {
    let rejected = candidates
    let told = replaced
    candidates = []
    replaced = { _ in }
    leaving += rejected
    for pipeline in rejected { pipeline.kill() }
    told(failure)
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
