// SPDX-License-Identifier: MIT
import JSONText
import Logs
import Reactor
import Records

/// The lines of the CLI's stderr that go into our log: so many in a minute, and then how many were left out.
///
/// A CLI that complains of each event would fill the log, whatever it is that it complains of.
final class ErrorLog {
  private unowned let backend: ClaudeBackend
  private var count = 0
  private var dropped = 0
  private var minute: Reactor.Timer?

  init(_ backend: ClaudeBackend) { self.backend = backend }

  /// Logs a line, cut so that the log's own line stays within 4,096 bytes however it is escaped.
  ///
  /// - Parameter label: the request that the process has, or had last.
  func write(_ line: ByteSlice, label: String) {
    let plain = line.prefix(600).map { $0 < 0x20 ? 0x20 : $0 }
    guard plain.contains(where: { $0 != 0x20 }), isWithinLimit() else { return }
    var fields: KeyValuePairs<String, String> = ["source": "claude"]
    if !label.isEmpty { fields = ["id": label, "source": "claude"] }
    backend.log.write(.warning, String(decoding: plain, as: UTF8.self), fields)
  }

  private func isWithinLimit() -> Bool {
    if minute == nil {
      minute = backend.reactor.after(milliseconds: 60_000) { [unowned self] in endMinute() }
    }
    count += 1
    guard count > backend.settings.limits.maxErrorLines else { return true }
    dropped += 1
    return false
  }

  private func endMinute() {
    minute = nil
    if dropped > 0 {
      backend.log.write(
        .warning, "more lines came from the Claude CLI in a minute than are logged", ["dropped": String(dropped)])
    }
    (count, dropped) = (0, 0)
  }
}
