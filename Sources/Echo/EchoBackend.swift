// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Models
import Reactor
import Records

/// A backend without a model: it echoes the last user text, or plays a script. Deterministic, offline.
package final class EchoBackend: Backend {
  private let port: Port
  private let reactor: Reactor
  private let models: ModelTable
  private let script: EchoScript?
  private var answers: [RequestID: EchoAnswer] = [:]

  /// - Parameter script: the marks that requests without marks are answered by.
  package init(port: Port, reactor: Reactor, models: ModelTable, script: String?) {
    self.port = port
    self.reactor = reactor
    self.models = models
    self.script = script.map { EchoScript($0) }
  }

  package var inFlight: Int { answers.count }

  package func stop() { answers.removeAll() }

  package func take(_ line: Line) throws(APIError) {
    switch Operation(of: line.ctx) {
    case .messages, .countTokens: try takeMessages(line)
    case .models: port.respond(line, models.list())
    case .model:
      let name = line.ctx.flatMap { Scan.plainString(Scan.member("model_id", of: $0)) }?.text ?? ""
      guard let entry = models.entry(name) else { throw APIError(status: 404, "model: \(name)") }
      port.respond(line, entry)
    case .health:
      port.respond(line, HealthReport(backend: "claude-echo").body(time: HealthReport.time(of: line.ctx)))
    // The runner has refused them.
    case .other: break
    }
  }

  private func takeMessages(_ line: Line) throws(APIError) {
    let request: JSON
    do throws(JSONError) {
      request = try JSON.parse(line.payload)
    } catch {
      throw APIError(body: error)
    }
    guard request.isObject else { throw .invalid("the body is not a JSON object") }
    guard let messages = request["messages"], messages.isArray else {
      throw .expected("an array", at: "messages", got: request["messages"])
    }
    let tokens = max(1, line.payload.count / 4)
    if Operation(of: line.ctx) == .countTokens {
      return port.respond(line, JSON(object: ["input_tokens": JSON(tokens)]))
    }
    let text = Self.lastUserText(messages)
    var script = EchoScript(text)
    if script.isEmpty, let own = self.script { script = own }
    let answer = EchoAnswer(
      id: line.id, ctx: line.ctx?.text, script: script, echo: text, request: request, inputTokens: tokens)
    answers[answer.id] = answer
    if script.delay > 0 { return wait(script.delay, answer) { $0.begin(answer) } }
    begin(answer)
  }

  private static func lastUserText(_ messages: JSON) -> String {
    for index in stride(from: messages.count - 1, through: 0, by: -1)
    where messages[index]["role"]?.equals("user") == true {
      guard let content = messages[index]["content"] else { return "" }
      if let text = content.string { return text }
      return content.elements.compactMap { block in
        block["type"]?.equals("tool_result") == true
          ? "tool result: " + (block["content"]?.string ?? block["content"]?.text ?? "") : block["text"]?.string
      }.joined(separator: "\n")
    }
    return ""
  }

  private func begin(_ answer: EchoAnswer) {
    if let status = answer.script.error {
      let headers = answer.script.retryAfter.map { [("retry-after", $0)] } ?? []
      let error = APIError(
        status: status, answer.script.errorMessage ?? "claude-echo was told to fail with \(status)", headers: headers)
      return fail(answer, error, withContext: true)
    }
    guard answer.isStream else {
      // As long as the stream would take.
      let seconds = answer.script.pace * Double(answer.pieceCount)
      return seconds > 0 ? wait(seconds, answer) { $0.respond(answer) } : respond(answer)
    }
    writeBegin(answer)
    step(answer)
  }

  private func writeBegin(_ answer: EchoAnswer) {
    withContext(of: answer) { ctx in
      port.output.record(.begin, of: answer.id, ctx: ctx) { $0.append(#"{"status":200,"headers":{}}"#) }
    }
  }

  private func respond(_ answer: EchoAnswer) {
    writeBegin(answer)
    port.output.record(.response, of: answer.id) { $0.append(answer.whole) }
    end(answer)
  }

  /// Plays what is due: everything at once, or one piece a step.
  private func step(_ answer: EchoAnswer) {
    repeat {
      if answer.script.streamError != nil, answer.hasSaidText {
        let type = answer.script.streamError!
        return fail(
          answer, APIError(status: type == "overloaded_error" ? 529 : 500, type: type, "claude-echo was told to fail"),
          withContext: false)
      }
      var isDelta = false
      var delta = Bytes()
      isDelta = answer.nextTextDelta(to: &delta)
      if isDelta {
        port.output.record(.event, of: answer.id) { $0.append(delta.slice) }
      } else {
        answer.next { event in port.output.record(.event, of: answer.id) { $0.append(event) } }
      }
    } while !answer.isOver && answer.script.pace == 0
    if answer.isOver { return end(answer) }
    wait(answer.script.pace, answer) { $0.step(answer) }
  }

  private func wait(_ seconds: Double, _ answer: EchoAnswer, _ then: @escaping (EchoBackend) -> Void) {
    // A pace of hours times a million words is for ever too.
    let nanoseconds = UInt64(min(seconds, 86_400) * 1_000_000_000)
    // From when this step was due, not from when it came: who is late once would stay late, and all that were late
    // together would stay together.
    answer.due = (answer.due == 0 ? Reactor.now : answer.due) + nanoseconds
    answer.timer = reactor.at(answer.due) { [unowned self] in then(self) }
  }

  private func fail(_ answer: EchoAnswer, _ error: APIError, withContext: Bool) {
    self.withContext(of: answer) { port.output.error(error, of: answer.id, ctx: withContext ? $0 : nil) }
    answers[answer.id] = nil
    port.output.end(answer.id)
  }

  private func end(_ answer: EchoAnswer) {
    answers[answer.id] = nil
    port.output.record(.end, of: answer.id) { $0.append(answer.accounting) }
  }

  package func cancel(_ id: RequestID) -> Bool {
    guard let answer = answers.removeValue(forKey: id) else { return false }
    reactor.cancel(answer.timer)
    port.output.record(.end, of: id) { $0.append(#"{"cancelled":true}"#) }
    return true
  }

  private func withContext(of answer: EchoAnswer, _ body: (ByteSlice?) -> Void) {
    guard var ctx = answer.ctx else { return body(nil) }
    ctx.withUTF8 { body($0) }
  }
}

extension Port {
  /// Answers a request at once, with that body.
  func respond(_ line: Line, _ body: JSON) {
    output.record(.begin, of: line.rid, isBare: line.isBare, ctx: line.ctx) {
      $0.append(#"{"status":200,"headers":{}}"#)
    }
    output.record(.response, of: line.rid, isBare: line.isBare) { $0.append(body) }
    output.end(line.rid, isBare: line.isBare)
  }
}
