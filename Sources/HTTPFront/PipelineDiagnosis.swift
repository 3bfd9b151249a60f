// SPDX-License-Identifier: MIT
import Glibc
import Logs
import NIOCore
import Records

/// Finds out why a pipeline has never answered, beside the server's work, and logs it.
///
/// A pipeline that someone else composed may know nothing of health requests and still serve: so it is not ended.
final class PipelineDiagnosis {
  private let front: Front
  /// The trial that runs, in a thread.
  private var trial: StageTrial?
  /// The stages that were tried last: one line of the log is enough for them.
  private var tried: [[String]]?

  static let answeredByError = "the pipeline answered a health request with an error of a stage"
  static let neverAnswered = "the pipeline has never answered a health request"

  init(_ front: Front) { self.front = front }

  /// Tries the stages one by one, unless that was done.
  ///
  /// - Parameters:
  ///   - reason: what was seen of the pipeline, for the log.
  ///   - settings: those of the pipeline; nil for those in force.
  func begin(_ reason: String, by settings: FrontSettings? = nil) {
    let settings = settings ?? front.settings
    guard let stages = settings.pipeline, trial == nil, tried != stages else { return }
    tried = stages
    let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
    guard null >= 0 else { return }
    let trial = StageTrial(stages, environment: settings.environment, errors: null)
    self.trial = trial
    let here = NIOLoopBound(self, eventLoop: front.loop)
    let loop = front.loop
    let work = Work { [trial] in
      let verdict = trial.run()
      close(null)
      loop.execute { here.value.ended(verdict, reason) }
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(work)
    let error = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard error == 0 else {
      argument.release()
      close(null)
      self.trial = nil
      return
    }
    pthread_detach(thread)
  }

  /// Ends what it has started.
  func cancel() { trial?.cancel() }

  private func ended(_ verdict: StageTrial.Verdict, _ reason: String) {
    trial = nil
    switch verdict {
    case .wrong(let fault): front.log.write(.error, "\(reason): \(fault)")
    case .healthy:
      front.log.write(.warning, "\(reason), and each of its stages answers when it is tried alone")
    // A backend that says why it can't serve is well.
    case .unhealthy, .cancelled: break
    }
  }

  /// What the thread does.
  private final class Work: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
