// SPDX-License-Identifier: MIT
import Logs
import NIOCore
import Records

/// Tells a pipeline that is slow with one request from one that is stuck, so that one request never ends the others.
extension Supervisor {
  /// Gives up cancelled requests that got no `end` in time, and asks their pipelines whether they are well.
  ///
  /// A stage may merely be busy with one of them. Its client is gone, so nobody waits for that `end` any more.
  func checkCancelled(_ now: NIODeadline) {
    for pipeline in all where !pipeline.cancelled.isEmpty {
      let late = pipeline.cancelled.filter { $0.value.until <= now }
      guard !late.isEmpty else { continue }
      for (rid, cancelled) in late {
        pipeline.cancelled[rid] = nil
        front.log.write(
          .warning, "a cancelled request got no end within \(FrontLimits.cancelTimeout) s: it is given up",
          ["id": rid.text])
        front.record(cancelled.exchange)
      }
      pipeline.isLate = true
      if front.settings.pipeline != nil, pipeline.takesRecords, pipeline.askedAt == nil { ask(pipeline) }
      pipeline.endIfDrained()
    }
  }

  /// Asks pipelines that have had work for a while whether they are well, and replaces those that don't answer.
  func checkHealth(_ now: NIODeadline) {
    guard front.settings.pipeline != nil else { return }
    for pipeline in running + leaving where pipeline.takesRecords {
      if pipeline.hasMoved { (pipeline.movedAt, pipeline.hasMoved) = (now, false) }
      if let stuck = pipeline.stuckAt {
        // Others may have stopped before the backend too, unless one that came after them has got through.
        if now - stuck > .seconds(FrontLimits.stuckPause) { front.failWaiting(in: pipeline, since: pipeline.passedAt) }
        endIfStill(pipeline, now)
      } else if let asked = pipeline.askedAt {
        if now - asked > .seconds(FrontLimits.trialTimeout) { noAnswer(of: pipeline, since: asked, now) }
      } else if pipeline.open == 0 {
        pipeline.wellAt = now
      } else if now - pipeline.wellAt > .seconds(FrontLimits.healthPause) {
        ask(pipeline)
      }
    }
  }

  /// Sends a health request of the front's own.
  func ask(_ pipeline: Pipeline) {
    let rid = front.newRID()
    pipeline.trial = .asked(rid)
    pipeline.askedAt = .now()
    pipeline.write(front.healthRecord(rid))
  }

  private func noAnswer(of pipeline: Pipeline, since asked: NIODeadline, _ now: NIODeadline) {
    // The stages may not know health requests: then the time-outs of the requests have to do.
    if !answersHealth { diagnosis.begin(PipelineDiagnosis.neverAnswered) }
    guard answersHealth || pipeline.isLate else { return pipeline.isWell(at: now) }
    front.log.write(
      .error, "the pipeline is stuck: it did not answer a health request within \(FrontLimits.trialTimeout) s",
      fields: [("in_flight", .number(pipeline.open))])
    (pipeline.stuckAt, pipeline.movedAt) = (now, now)
    replaceStuck(pipeline)
    // Requests that were written after the health request wait in the same pipe, and are not answered either.
    front.failWaiting(in: pipeline, since: asked)
    let stuck = leaving.filter { $0.isStuck && $0.takesRecords }
    if stuck.count > FrontLimits.maxStuck, let oldest = stuck.min(by: { $0.startedAt < $1.startedAt }) { oldest.kill() }
  }

  /// Ends a stuck pipeline from which nothing has come for a while.
  private func endIfStill(_ pipeline: Pipeline, _ now: NIODeadline) {
    guard now - pipeline.movedAt > .seconds(FrontLimits.stuckPause) else { return }
    front.log.write(
      .error, "the stuck pipeline is ended: nothing came from it for \(FrontLimits.stuckPause) s",
      fields: [("in_flight", .number(pipeline.open))])
    pipeline.kill()
  }
}
