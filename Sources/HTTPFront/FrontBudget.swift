// SPDX-License-Identifier: MIT
import Logs
import NIOCore
import Records

/// One budget, `maxBuffered`, for all bytes that wait: bodies for a pipeline, answers for their clients.
///
/// The front's own answers count as those of the pipeline do.
extension Front {
  private var buffered: Int { bodyBytes + answerBytes }

  /// Counts bytes of a body that is to be kept; false where there is no room.
  ///
  /// A body counts until its answer begins, since a stage or the backend holds it until then. Where all that counts is
  /// bodies that arrive, the one that has been arriving for the longest time has room, or each might wait for the others.
  func reserve(_ bytes: Int, for exchange: Exchange) -> Bool {
    if buffered + bytes > settings.maxBuffered {
      shedLater()
      guard submittedBytes == 0, isOldest(exchange) else { return false }
    }
    bodyBytes += bytes
    return true
  }

  private func isOldest(_ exchange: Exchange) -> Bool {
    !exchanges.values.contains {
      $0.stage == .arriving && $0.bodyBytes > 0 && $0.startedAt < exchange.startedAt
    }
  }

  /// Counts bytes of answers that begin or end to wait.
  func answersWait(_ change: Int) {
    answerBytes += change
    if change > 0, buffered > settings.maxBuffered { shedLater() }
  }

  private func shedLater() {
    guard !shedIsScheduled else { return }
    shedIsScheduled = true
    // Not within that client's own write.
    loop.assumeIsolated().execute { [self] in
      shedIsScheduled = false
      shed()
    }
  }

  /// Gives up the client that leaves the most of its answer, where the budget is short.
  ///
  /// As long as there is room for all, a client may read as slowly as it likes. Where there is none, a client that leaves
  /// more than its share gives way to bodies too; others only where answers alone are too much.
  private func shed() {
    guard let worst = connections.values.max(by: { $0.counted < $1.counted }), worst.counted > 0 else { return }
    // What the system has taken in the meantime counts no more.
    worst.recount()
    guard worst.counted > FrontLimits.maxWaiting || answerBytes > settings.maxBuffered else { return }
    var fields: [(name: String, value: Log.Value)] = [("bytes", .number(worst.counted))]
    if let id = worst.current?.rid.text { fields.insert(("id", .text(id)), at: 0) }
    log.write(.warning, "clients read too slowly: the connection of the slowest is closed", fields: fields)
    worst.giveUpClient()
    if answerBytes > settings.maxBuffered { shedLater() }
  }
}
