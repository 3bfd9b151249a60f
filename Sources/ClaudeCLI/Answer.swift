// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// The answer to one request, made of the lines that its CLI process prints.
///
/// It knows nothing of processes and time: it takes lines, writes records, and says when the process has done its
/// part.
package struct Answer: ~Copyable {
  package enum Verdict: Equatable {
    case more
    /// The answer is over; the process will end its turn by itself.
    case over
    /// The answer is over, and there was no turn.
    case overWithoutTurn
    /// The answer is over, but the CLI would go on and ask the upstream again.
    case overAndKill
  }

  package let id: RequestID
  package private(set) var isOver = false
  /// The request failed in a way that another backend may take up: nothing was written for it, nothing will be.
  package private(set) var isDeclined = false
  /// Something of the answer was written.
  package private(set) var hasBegun = false
  /// What went wrong, where something did.
  package private(set) var failure: APIError?

  private let ctx: Bytes
  private let wantsStream: Bool
  /// Of a request that asks for nothing else.
  private var count: TokenCount?
  private let auth: Auth
  private let declining: Declining
  private let limit: LoginLimit
  /// The stream may have broken: what comes is forwarded only when a real end follows.
  private var isInDoubt = false
  private var held = Bytes()
  /// The message's own end has been forwarded; only the stream's is missing.
  private var isComplete = false
  private var hasContent = false
  private var assembly: Assembly?
  private var model: JSON?
  private var usage: JSON?
  /// Milliseconds from the request to its `message_start`; nil until then.
  private var timeToFirst: Int?
  private var resetsAt: Int?

  /// - Parameters:
  ///   - ctx: the request's, with its losses.
  ///   - declining: what is another backend's to answer, as long as nothing has been written.
  ///   - limit: what is known of the login, for the accounting.
  package init(
    _ id: RequestID, ctx: consuming Bytes, wantsStream: Bool, isCount: Bool = false, auth: Auth,
    declining: Declining = Declining(), limit: LoginLimit = LoginLimit()
  ) {
    self.id = id
    self.ctx = ctx
    self.wantsStream = wantsStream
    count = isCount ? TokenCount() : nil
    self.auth = auth
    self.declining = declining
    self.limit = limit
  }

  /// Takes one line of the CLI's stdout.
  ///
  /// - Parameters:
  ///   - elapsed: milliseconds since the request came.
  ///   - now: seconds since the epoch.
  package mutating func take(
    _ line: CLILine, elapsed: Int, now: Int, to out: inout Output
  ) -> Verdict {
    guard !isOver else { return .over }
    switch line {
    case .event(let event, let type, let isAbandoned):
      return take(event, type, isAbandoned: isAbandoned, elapsed: elapsed, to: &out)
    case .apiError:
      isInDoubt = true
    case .rateLimit(let info):
      if let seconds = Scan.member("resetsAt", of: info) { resetsAt = Int(seconds.text) }
    case .control(let response):
      if Scan.plainString(Scan.member("subtype", of: response))?.equals("error") == true {
        fail(CLIError.broken("the Claude CLI refused its settings"), to: &out)
        return .overAndKill
      }
      if count != nil { return takeCount(response, to: &out) }
    case .result(let line):
      let error = CLIError.of(result: line, auth: auth, resetsIn: resetsAt.map { $0 - now })
      let isSuccess = Scan.member("is_error", of: line)?.equals("false") == true
      fail(isSuccess ? CLIError.broken("the Claude CLI ended the turn without an answer") : error, to: &out)
      return .over
    case .started, .completed, .other: break
    }
    return .more
  }

  private mutating func takeCount(_ response: ByteSlice, to out: inout Output) -> Verdict {
    do throws(APIError) {
      guard let tokens = try count?.take(response) else { return .more }
      begin(&out)
      out.record(.response, of: id) { $0.append(JSON(object: ["input_tokens": JSON(tokens)])) }
      out.end(id)
      isOver = true
    } catch {
      fail(error, to: &out)
    }
    return .overWithoutTurn
  }

  private mutating func take(
    _ event: ByteSlice, _ type: CLILine.EventType, isAbandoned: Bool, elapsed: Int, to out: inout Output
  ) -> Verdict {
    switch type {
    case .messageStart:
      // A second one belongs to another try of the CLI's own.
      guard timeToFirst == nil, let start = try? JSON.parse(mending: event), let message = start["message"] else {
        break
      }
      timeToFirst = elapsed
      model = message["model"]
      usage = message["usage"]
      if wantsStream {
        begin(&out)
        forward(event, to: &out)
      } else {
        assembly = Assembly(start: message)
      }
    case .messageDelta:
      guard timeToFirst != nil, !isAbandoned, let delta = try? JSON.parse(mending: event) else { break }
      let reason = delta["delta"]?["stop_reason"]
      // The CLI closes a broken stream with an end of its own making, which has no reason.
      isInDoubt = reason?.isString != true
      if let later = delta["usage"] { usage = Assembly.merge(usage, later) }
      assembly?.take(type, delta)
      if !isInDoubt {
        out.bytes.append(held.slice)
        held.removeAll()
      }
      if wantsStream { forward(event, to: &out) }
      guard let reason, !isInDoubt else { break }
      isComplete = true
      if hasContent, Self.endsTurn(reason) { break }
      // Faster than the CLI's next request: the stream's end isn't waited for.
      complete(#"{"type":"message_stop"}"#, to: &out)
      return .overAndKill
    case .messageStop:
      guard isComplete, !isAbandoned else { break }
      complete(event, to: &out)
      return .over
    case .blockStart, .blockDelta, .blockStop, .other:
      guard timeToFirst != nil else { break }
      if !hasContent { hasContent = Self.isVisible(event, type) }
      if wantsStream {
        forward(event, to: &out)
      } else if let tree = try? JSON.parse(mending: event) {
        assembly?.take(type, tree)
      }
    }
    return .more
  }

  /// The reasons after which the CLI asks for nothing more.
  private static func endsTurn(_ reason: JSON) -> Bool {
    reason.equals("end_turn") || reason.equals("tool_use") || reason.equals("stop_sequence")
      || reason.equals("pause_turn")
  }

  /// Whether an event shows something that the CLI counts as an answer: not thinking, not empty text.
  private static func isVisible(_ event: ByteSlice, _ type: CLILine.EventType) -> Bool {
    switch type {
    case .blockStart:
      guard let block = Scan.member("content_block", of: event),
        let kind = Scan.plainString(Scan.member("type", of: block))
      else { return false }
      return !kind.equals("text") && !kind.equals("thinking") && !kind.equals("redacted_thinking")
    case .blockDelta:
      guard let text = Scan.member("delta", of: event).flatMap({ Scan.member("text", of: $0) }) else { return false }
      return text.cut(1, text.count - 1).contains { !Scan.isSpace($0) }
    default: return false
    }
  }

  // MARK: Records

  private mutating func begin(_ out: inout Output) {
    hasBegun = true
    out.record(.begin, of: id, ctx: ctx.slice) { $0.append(#"{"status":200,"headers":{}}"#) }
  }

  private mutating func forward(_ event: ByteSlice, to out: inout Output) {
    if isInDoubt {
      var record = Output()
      record.record(.event, of: id) { $0.append(mending: event) }
      held.append(record.bytes.slice)
    } else {
      out.record(.event, of: id) { $0.append(mending: event) }
    }
  }

  private mutating func complete(_ stop: StaticString, to out: inout Output) {
    complete(ByteSlice(start: stop.utf8Start, count: stop.utf8CodeUnitCount), to: &out)
  }

  private mutating func complete(_ stop: ByteSlice, to out: inout Output) {
    if wantsStream {
      out.record(.event, of: id) { $0.append(stop) }
    } else {
      begin(&out)
      let message = assembly?.finish()
      if let message { out.record(.response, of: id) { $0.append(message) } }
    }
    end(to: &out)
  }

  /// Ends the answer with an error, if it isn't over.
  package mutating func fail(_ error: APIError, to out: inout Output) {
    guard !isOver else { return }
    // The message was whole before: nothing is missing but the stream's formal end.
    if isComplete { return complete(#"{"type":"message_stop"}"#, to: &out) }
    failure = error
    if !hasBegun, declining.covers(error.status) {
      isOver = true
      isDeclined = true
      return
    }
    if hasBegun { out.error(error, of: id) } else { out.error(error, of: id, ctx: ctx.slice) }
    end(to: &out)
  }

  private mutating func end(to out: inout Output) {
    isOver = true
    let losses = JSON(
      array: (assembly?.cutInputs ?? []).map {
        JSON(object: ["field": JSON("content[\($0)].input"), "fate": JSON("dropped what was cut off")])
      })
    let accounting = JSON(object: [
      "model": model, "usage": usage, "ttft_ms": timeToFirst.map { JSON($0) },
      "loss": losses.count > 0 ? losses : nil, "login_limit": limit.summary,
    ])
    out.record(.end, of: id) { $0.append(accounting) }
  }
}
