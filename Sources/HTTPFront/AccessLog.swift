// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Logs
import NIOCore
import NIOHTTP1
import Records

extension Front {
  /// Counts an answer that has ended, and writes its line to the log: never a body, never a secret.
  func record(_ exchange: Exchange) {
    func milliseconds(_ end: NIODeadline) -> Double { Double((end - exchange.startedAt).nanoseconds) / 1e6 }
    let duration = milliseconds(exchange.endedAt ?? .now())
    let first = exchange.firstEventAt.map(milliseconds)
    let account = exchange.account
    let isRelayed = exchange.route?.purpose == .relay
    metrics.add(
      route: exchange.route?.path, status: exchange.status, seconds: isRelayed ? duration / 1e3 : nil,
      secondsToFirstEvent: isRelayed ? first.map { $0 / 1e3 } : nil, errorType: exchange.errorType, account: account)
    guard log.isWritten(.info) else { return }
    var fields: [(name: String, value: Log.Value)] = [
      ("id", .text(exchange.rid.text)), ("method", .text(exchange.head.method.rawValue)),
      ("path", .text(exchange.path)), ("status", .number(exchange.status)), ("duration_ms", .tenths(duration)),
    ]
    if let first { fields.append(("ttft_ms", .tenths(first))) }
    fields.append(("bytes", .number(exchange.bytesOut)))
    fields.append(("peer", .text(exchange.peer)))
    if let key = exchange.key { fields.append(("key", .text(key))) }
    if let id = exchange.head.headers.first(name: "x-request-id")
      ?? exchange.head.headers.first(name: "x-client-request-id")
    {
      fields.append(("client_id", .text(String(id.prefix(128)))))
    }
    if let model = account.model { fields.append(("model", .text(model))) }
    for (kind, count) in zip(Account.kinds, account.tokens) {
      if let count { fields.append(("tokens_" + kind.label, .number(count))) }
    }
    if let error = exchange.errorType ?? account.error
      ?? (exchange.status >= 400 ? APIError.type(of: exchange.status) : nil)
    {
      fields.append(("error", .text(error)))
      if let param = exchange.errorParam ?? account.errorParam { fields.append(("param", .text(param))) }
    }
    let loss = account.lossTexts
    if !loss.isEmpty { fields.append(("loss", .list(loss))) }
    writeLater(log.line(.info, "request", fields, at: Log.timestamp()))
  }

  /// Keeps a line until the answers of this wake-up are written.
  private func writeLater(_ line: borrowing Bytes) {
    if logLines.isEmpty {
      loop.assumeIsolated().execute { [self] in writeLog() }
    } else if logLines.count + line.count > Log.maxLine {
      writeLog()
    }
    logLines.append(line.slice)
  }

  /// Writes the lines that were kept.
  func writeLog() {
    guard !logLines.isEmpty else { return }
    log.write(lines: logLines)
    logLines.removeAll()
  }
}
