// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// The answer to one request, made of the lines that its CLI process prints.
///
/// It knows nothing of processes and time: it takes lines, writes records, and says when the process has done its
/// part.
///
/// The client sees one answer to its own request. The CLI asks again by itself, after a stream that broke off or without
/// what the API refused; what comes of that is no answer to the request, and never becomes a part of one.
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

  private var ctx: Bytes
  private let wantsStream: Bool
  private let traits: Traits
  /// Of a request that asks for nothing else.
  private var count: TokenCount?
  private let auth: Auth
  private let declining: Declining
  private let limit: LoginLimit
  /// The API's last error for this request, in its own words.
  private var refusal: APIError?
  /// The CLI has reported that the request failed; its last line says how.
  private var isRefused = false
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

  /// What of a request bears on what the CLI does when the API refuses it.
  package struct Traits: Sendable {
    /// It has an image, a document or thinking, which the CLI may leave out when it asks again.
    package var mayBeCut = false
    /// It has thinking of earlier turns.
    package var hasThinking = false
    /// Any loss is an error.
    package var isStrict = false

    package init() {}
  }

  /// - Parameters:
  ///   - ctx: the request's, with its losses.
  ///   - declining: what is another backend's to answer, as long as nothing has been written.
  ///   - limit: what is known of the login, for the accounting.
  package init(
    _ id: RequestID, ctx: consuming Bytes, wantsStream: Bool, count: TokenCount? = nil, auth: Auth,
    traits: Traits = Traits(), declining: Declining = Declining(), limit: LoginLimit = LoginLimit()
  ) {
    self.id = id
    self.ctx = ctx
    self.wantsStream = wantsStream
    self.traits = traits
    self.count = count
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
      (isInDoubt, isRefused) = (true, true)
    case .asking:
      // It would go on with an answer that it takes for cut off.
      if timeToFirst != nil { return breakOff(to: &out) }
    case .rateLimit(let info):
      if let seconds = Scan.member("resetsAt", of: info) { resetsAt = Int(seconds.text) }
    case .control(let response):
      if Scan.plainString(Scan.member("subtype", of: response))?.equals("error") == true {
        fail(CLIError.broken("the Claude CLI refused its settings"), to: &out)
        return .overAndKill
      }
      if count != nil { return takeCount(response, to: &out) }
    case .result(let line):
      let error = CLIError.of(result: line, auth: auth, resetsIn: resetsIn(now), refusal: refusal)
      let isSuccess = Scan.member("is_error", of: line)?.equals("false") == true
      fail(
        isSuccess ? refusal ?? CLIError.broken("the Claude CLI ended the turn without an answer") : error, to: &out)
      return .over
    case .started, .completed, .other: break
    }
    return .more
  }

  /// Seconds until the login's window opens again, if the CLI reported it. A time that is too large is cut.
  private func resetsIn(_ now: Int) -> Int? {
    resetsAt.map { min(max($0, now), now + CLIError.longestWait) - now }
  }

  /// Takes what the CLI logs of its requests to the API.
  package mutating func take(_ diagnostic: Diagnostic, to out: inout Output) -> Verdict {
    guard !isOver else { return .over }
    switch diagnostic {
    case .refused(let error):
      refusal = error
      if timeToFirst != nil { return breakOff(to: &out) }
      // Faster than the CLI's next request, which would be another than the client's.
      if error.status == 404 || error.status == 400 && traits.mayBeCut && !mayServe(after: error) {
        return giveUp(error, to: &out)
      }
    case .refusedOtherwise:
      if timeToFirst != nil { return breakOff(to: &out) }
    case .broke(let error):
      // The log has several lines of one break, and those that only say that it broke are no news.
      if timeToFirst != nil, refusal == nil || error != CLIError.streamBroke { refusal = error }
    case .uncounted(let error):
      guard let error, var counted = count else { break }
      counted.refusal = error
      count = counted
    case .log, .notice: break
    }
    return .more
  }

  /// Whether an answer that the CLI gets after the API's refusal is served all the same.
  ///
  /// A login's token may have run out, and the very same request goes out again with a new one. And where the API
  /// refuses the thinking of earlier turns of a login, because the CLI's reminders have moved meanwhile, the CLI asks
  /// without it: the ledger says so.
  private func mayServe(after error: APIError) -> Bool {
    guard auth == .login else { return false }
    return error.status == 401 || isOfThinking(error) && !traits.isStrict
  }

  private func isOfThinking(_ error: APIError) -> Bool {
    error.status == 400 && traits.hasThinking
      && (error.message.mentions("thinking") || error.message.mentions("signature"))
  }

  /// The answer broke off, and what the CLI makes of that is no part of it.
  private mutating func breakOff(to out: inout Output) -> Verdict { giveUp(refusal ?? CLIError.streamBroke, to: &out) }

  private mutating func giveUp(_ error: APIError, to out: inout Output) -> Verdict {
    fail(error, to: &out)
    return .overAndKill
  }

  private mutating func takeCount(_ response: ByteSlice, to out: inout Output) -> Verdict {
    do throws(APIError) {
      guard let tokens = try count?.take(response) else { return .more }
      begin(&out, isEstimate: count?.isEstimate == true)
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
      if timeToFirst != nil { return breakOff(to: &out) }
      if let refusal {
        guard mayServe(after: refusal) else { return giveUp(refusal, to: &out) }
        if isOfThinking(refusal) { lose("thinking", "dropped, for the API refused it") }
        self.refusal = nil
      }
      guard let start = try? JSON.parse(mending: event), let message = start["message"] else { break }
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
      // The CLI's own end of a stream that broke off. Unless it has reported that the request failed, it asks again.
      if isAbandoned, timeToFirst != nil, !isRefused, !isComplete { return breakOff(to: &out) }
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

  private mutating func begin(_ out: inout Output, isEstimate: Bool = false) {
    hasBegun = true
    out.record(.begin, of: id, ctx: ctx.slice) {
      $0.append(
        isEstimate ? #"{"status":200,"headers":{"x-proxy-estimate":"tokens"}}"# : #"{"status":200,"headers":{}}"#)
    }
  }

  /// Adds to the ledger of the ctx, which has not been written yet.
  private mutating func lose(_ field: String, _ fate: String) {
    var losses = LossLedger()
    losses.add(field, fate)
    var more = Bytes(capacity: ctx.count + 64)
    more.append(object: ctx.slice, adding: losses)
    ctx = more
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
    let accounting = JSON(object: [
      "model": model, "usage": usage, "ttft_ms": timeToFirst.map { JSON($0) }, "login_limit": limit.summary,
    ])
    var losses = LossLedger()
    for place in assembly?.cutInputs ?? [] { losses.add("content[\(place)].input", "dropped what was cut off") }
    out.record(.end, of: id) {
      guard !losses.isEmpty else { return $0.append(accounting) }
      var whole = Bytes()
      whole.append(accounting)
      $0.append(object: whole.slice, adding: losses)
    }
  }
}
