// SPDX-License-Identifier: MIT
import JSONText
import Logs
import NIOCore
import NIOHTTP1
import Records

extension Front {
  /// Takes a record of the pipeline's answers.
  func take(_ line: Line, from pipeline: Pipeline) {
    guard line.form == .record else { return takeBroken(line) }
    guard let rid = RID(line.rid), let exchange = exchanges[rid], exchange.pipeline === pipeline else {
      return takeStray(line, from: pipeline)
    }
    pipeline.hasMoved = true
    switch line.kind {
    case .data: take(data: line, of: exchange)
    case .http: take(start: line, of: exchange)
    case .end: take(end: line, of: exchange)
    default:
      log.write(
        .warning,
        "the pipeline's last stage wrote a record of kind \(Line.key(of: line.kind)); expected http, data, end",
        ["id": rid.text])
    }
  }

  /// A record for a request that is over: cancelled, or not ours at all.
  private func takeStray(_ line: Line, from pipeline: Pipeline) {
    // Without its ctx it is no answer of the backend's.
    let status =
      line.kind != .http
      ? nil
      : Self.hasContext(line)
        ? Scan.member("status", of: line.payload).flatMap { Int($0.text) } : Supervisor.brokenRecord
    guard let rid = RID(line.rid), !supervisor.take(line.kind, of: rid, from: pipeline, status: status) else { return }
    guard let cancelled = pipeline.cancelled[rid] else {
      if log.isWritten(.debug) { log.write(.debug, "a record of an unknown request", ["id": line.rid.text]) }
      return
    }
    guard line.kind == .end else { return }
    pipeline.cancelled[rid] = nil
    cancelled.exchange.account = cancelled.exchange.account.merged(with: Account(end: line.payload))
    record(cancelled.exchange)
    pipeline.endIfDrained()
  }

  /// A line that is no record, or no record that can stand here: whose it is, is answered; nobody else suffers.
  func takeBroken(_ line: Line) {
    let exchange = RID(line.rid).flatMap { exchanges[$0] }
    let fault =
      line.form == .record
      ? "wrote a record out of order (kind \(Line.key(of: line.kind)))"
      : StageTrial.complaint(of: line)
    if let exchange {
      log.write(.warning, "the pipeline \(fault)", ["id": exchange.rid.text])
      fail(exchange, .brokenRecord)
    } else {
      complain(fault)
    }
    // Some stage is wrong; which of them is found out once.
    if line.form != .record { supervisor.diagnosis.begin("the pipeline wrote a line that is not a record") }
  }

  /// Whether an answer has the ctx that its request had. A filter that gets a record without ctx makes one of defaults;
  /// only the front's own has what was asked by HTTP.
  private static func hasContext(_ line: Line) -> Bool {
    line.ctx.flatMap { Scan.member("http", of: $0) } != nil
  }

  /// Logs what was nobody's; one that writes many such lines doesn't fill the log.
  private func complain(_ fault: String) {
    let now = NIODeadline.now()
    if let last = lastComplaint, now - last < .seconds(FrontLimits.refusalPause) {
      complaintsKept += 1
      return
    }
    log.write(
      .warning, "the pipeline \(fault)",
      fields: complaintsKept > 0 ? [("lines_like_it", .number(complaintsKept))] : [])
    (lastComplaint, complaintsKept) = (now, 0)
  }

  @inline(__always)
  private func take(data line: Line, of exchange: Exchange) {
    let payload = line.payload
    guard exchange.stage == .answering, payload.count >= 2, payload[0] == UInt8(ascii: "\""),
      payload[payload.count - 1] == UInt8(ascii: "\""),
      exchange.pending.append(unescaped: payload.cut(1, payload.count - 1))
    else { return takeBroken(line) }
    // What is too much would be taken for the next answer.
    if exchange.missing < 0 { return takeBroken(line) }
    if exchange.firstEventAt == nil { exchange.firstEventAt = .now() }
    mark(exchange)
  }

  private func take(start line: Line, of exchange: Exchange) {
    guard exchange.stage == .submitted, let start = AnswerStart(line.payload) else { return takeBroken(line) }
    // Without the ctx no stage knows the client's API: the body may be in the other one.
    guard Self.hasContext(line) else {
      supervisor.diagnosis.begin("the pipeline wrote an answer without the ctx of its request")
      return fail(exchange, .noContext)
    }
    releaseBody(of: exchange)
    if let pipeline = exchange.pipeline { pipeline.passedAt = max(pipeline.passedAt, exchange.submittedAt) }
    if let ctx = line.ctx {
      if let dialect = Dialect(of: ctx), dialect != .auto { exchange.dialect = dialect }
      if let loss = Scan.member("loss", of: ctx) { exchange.account.add(loss: loss) }
      if let more = Scan.member("loss_more", of: ctx) { exchange.account.add(moreLoss: more) }
    }
    if exchange.collects {
      exchange.stage = .answering
      exchange.collected = start
    } else {
      exchange.connection?.start(exchange, start)
      mark(exchange)
    }
  }

  private func take(end line: Line, of exchange: Exchange) {
    exchange.hasEnd = true
    exchange.account = exchange.account.merged(with: Account(end: line.payload))
    guard exchange.stage == .answering else { return fail(exchange, .noAnswer) }
    if let start = exchange.collected {
      exchange.connection?.answer(exchange, collected(exchange, start))
    } else if exchange.missing > 0 {
      // The client would wait for the rest for ever.
      takeBroken(line)
    } else {
      exchange.connection?.finish(exchange)
    }
  }
}
