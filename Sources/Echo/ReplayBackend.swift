// SPDX-License-Identifier: MIT
import JSONText
import Reactor
import Records

/// A backend that answers from a recorded session: what was recorded, byte for byte, under the name of the request.
///
/// The ctx is the recorded one too, since what stands in it shows in the answer: its time is that of `created`.
package final class ReplayBackend: Backend {
  private let port: Port
  private let reactor: Reactor
  private let recording: Recording
  /// How many times as fast as recorded; nil without any waiting.
  private let speed: Double?
  private var plays: [RequestID: Play] = [:]

  private final class Play {
    let exchange: Recording.Exchange
    let ctx: String?
    /// When it was asked, by the reactor's clock in nanoseconds.
    let start = Reactor.now
    var next = 0
    var timer: Reactor.Timer?

    init(_ exchange: Recording.Exchange, ctx: String?) {
      self.exchange = exchange
      self.ctx = ctx
    }
  }

  package init(port: Port, reactor: Reactor, recording: Recording, speed: Double?) {
    self.port = port
    self.reactor = reactor
    self.recording = recording
    self.speed = speed
  }

  package var inFlight: Int { plays.count }

  package func stop() { plays.removeAll() }

  package func take(_ line: Line) throws(APIError) {
    if Operation(of: line.ctx) == .health {
      // Asked as often as a probe likes, recorded or not.
      return port.respond(line, HealthReport(backend: "claude-echo").body(time: HealthReport.time(of: line.ctx)))
    }
    let play = Play(try recording.next(line), ctx: line.ctx?.text)
    plays[line.id] = play
    step(play, line.id)
  }

  /// Writes what is due, and comes again when more is.
  private func step(_ play: Play, _ id: RequestID) {
    let exchange = play.exchange
    while play.next < exchange.steps.count {
      let step = exchange.steps[play.next]
      let due = play.start + delay(of: step, in: exchange)
      if due > Reactor.now {
        play.timer = reactor.at(due) { [unowned self] in self.step(play, id) }
        return
      }
      write(step, of: id)
      play.next += 1
    }
    plays[id] = nil
    if !exchange.isOver { breakOff(play, id) }
  }

  /// Nanoseconds from the request to the step; no more than a day.
  private func delay(of step: Recording.Step, in exchange: Recording.Exchange) -> UInt64 {
    guard let speed, exchange.time > 0, step.time > exchange.time else { return 0 }
    return UInt64(min(Double(step.time - exchange.time) / speed, 86_400_000_000) * 1_000)
  }

  private func write(_ step: Recording.Step, of id: RequestID) {
    guard id.isBare else {
      port.output.bytes.append(#"{"rid":""#)
      port.output.bytes.append(text: id.text)
      port.output.bytes.append("\"")
      port.output.bytes.append(recording.slice(step.tail), "\n")
      return
    }
    let payload = recording.slice(step.payload)
    switch step.kind {
    case .event, .response, .data: port.output.bytes.append(payload, "\n")
    case .error: port.output.bytes.append(Scan.member("body", of: payload) ?? payload, "\n")
    default: break
    }
  }

  /// The recording ends within the answer, or its client went away: what was not recorded can't be told.
  private func breakOff(_ play: Play, _ id: RequestID) {
    let error = APIError(status: 502, "the recording ends within this answer")
    if play.exchange.steps.isEmpty, var ctx = play.ctx {
      ctx.withUTF8 { port.output.error(error, of: id, ctx: $0) }
    } else {
      port.output.error(error, of: id)
    }
    port.output.end(id)
  }

  package func cancel(_ id: RequestID) -> Bool {
    guard let play = plays.removeValue(forKey: id) else { return false }
    reactor.cancel(play.timer)
    port.output.record(.end, of: id) { $0.append(#"{"cancelled":true}"#) }
    return true
  }
}
