// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// What is the same in all translators of answers: which records belong to them, what becomes of each kind, and how
/// answers end that were cut off.
struct AnswerTranslator<Answer: TranslatedAnswer> {
  private let defaults: Answer.Defaults
  /// Answers that are translated; those of other dialects leave no trace here.
  private var answers = OpenAnswers<Answer>()

  init(_ defaults: Answer.Defaults) { self.defaults = defaults }

  mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    switch line.kind {
    case .begin:
      guard Self.isOurs(line.ctx) else { return out.forward(line) }
      try answers.open(line.rid, Answer(line, defaults))
      Self.withMark(line.ctx) {
        out.record(.begin, of: line.rid, isBare: line.isBare, ctx: $0) { $0.append(line.payload) }
      }
    case .event:
      guard let answer = answers.find(line.rid) else { return out.forward(line) }
      if !answer.takeTextDelta(line.payload, to: &out) { try answer.take(event: try Self.parse(line), to: &out) }
    case .response:
      guard let answer = answers.find(line.rid), answer.isTranslated else { return out.forward(line) }
      answer.respond(with: try Self.parse(line), to: &out)
    case .error:
      guard answers.find(line.rid) != nil || Self.isOurs(line.ctx) else { return out.forward(line) }
      try translateError(line, to: &out)
    case .end:
      guard let answer = answers.find(line.rid) else { return out.forward(line) }
      answers.close(line.rid.text)
      answer.finish(isCancelled: Scan.member("cancelled", of: line.payload)?.equals("true") == true, to: &out)
      end(line, answer, to: &out)
    default:
      out.forward(line)
    }
  }

  mutating func forget(_ id: RequestID) { answers.close(id.text) }

  mutating func finish(to out: inout Output) {
    for (_, answer) in answers.drain() {
      if !answer.hasFailed {
        answer.hasFailed = true
        let error = AnswerError(endedEarly)
        if !answer.fail(with: error, to: &out) { Self.write(error, nil, of: answer.id, ctx: nil, to: &out) }
      }
      out.record(.end, of: answer.id) { $0.append(endOfFailure: "{}", answer.failure) }
    }
  }

  /// Whether an answer is to be translated here: it is in our dialect, and still in Anthropic's words.
  private static func isOurs(_ ctx: ByteSlice?) -> Bool {
    guard Dialect(of: ctx) == Answer.dialect else { return false }
    return ctx.flatMap { Scan.member("translated", of: $0) } == nil
  }

  private static func parse(_ line: Line) throws(APIError) -> JSON {
    do throws(JSONError) {
      return try JSON.parse(mending: line.payload)
    } catch {
      throw APIError(answer: error)
    }
  }

  private mutating func translateError(_ line: Line, to out: inout Output) throws(APIError) {
    let payload = try Self.parse(line)
    let error = AnswerError(payload)
    if let answer = answers.find(line.rid) {
      answer.hasFailed = true
      if answer.fail(with: error, to: &out) { return }
    } else if !line.isBare, Answer.streamsErrors(of: line.ctx, error) {
      let answer = Answer(line, defaults)
      try answers.open(line.rid, answer)
      answer.hasFailed = true
      Self.withMark(line.ctx) {
        out.record(.begin, of: line.rid, isBare: false, ctx: $0) {
          $0.append(#"{"status":200,"headers":"#)
          $0.append(payload["headers"] ?? .object)
          $0.append("}")
        }
      }
      answer.fail(beforeItBegan: error, to: &out)
      return
    }
    Self.write(error, payload, of: line.id, ctx: line.ctx, to: &out)
  }

  /// Writes an `error` record; what the payload has beside its body is kept.
  private static func write(
    _ error: AnswerError, _ payload: JSON?, of id: RequestID, ctx: ByteSlice?, to out: inout Output
  ) {
    let body = Answer.body(of: error)
    if id.isBare {
      out.bytes.append(body)
      out.bytes.append("\n")
      return
    }
    let made = payload?.shallowCopy() ?? JSON(object: ["status": JSON(error.status), "headers": .object])
    made["body"] = body
    withMark(ctx) { out.record(.error, of: id, ctx: $0) { $0.append(made) } }
  }

  /// Hands over a ctx that says of the answer that it was translated: sse-encode refuses others.
  private static func withMark(_ ctx: ByteSlice?, _ body: (ByteSlice?) -> Void) {
    guard let ctx else { return body(nil) }
    var marked = Bytes(capacity: ctx.count + 32)
    marked.append(object: ctx, setting: "translated", without: Answer.spentNote) {
      $0.append(quoted: Answer.dialect.rawValue)
    }
    body(marked.slice)
  }

  /// Writes `end`, with what was lost on the way back and why the answer failed added to it.
  private func end(_ line: Line, _ answer: Answer, to out: inout Output) {
    guard !line.isBare else { return }
    guard !answer.loss.isEmpty || answer.failure != nil, line.payload.first == UInt8(ascii: "{") else {
      return out.forward(line)
    }
    out.record(.end, of: line.rid, isBare: false) {
      guard !answer.loss.isEmpty else { return $0.append(endOfFailure: line.payload, answer.failure) }
      guard answer.failure != nil else { return $0.append(object: line.payload, adding: answer.loss) }
      var told = Bytes()
      told.append(endOfFailure: line.payload, answer.failure)
      $0.append(object: told.slice, adding: answer.loss)
    }
  }
}

extension AnswerError {
  /// An error of our own.
  init(_ error: APIError) {
    self.init(
      JSON(object: [
        "status": JSON(error.status),
        "body": JSON(object: [
          "error": JSON(object: ["type": JSON(error.type), "message": JSON(error.message)])
        ]),
      ]))
  }
}

extension Bytes {
  /// Appends the payload of an `end` with the type of the error that ended the answer as an event of its stream, which
  /// the access log could not tell from others.
  fileprivate mutating func append(endOfFailure payload: ByteSlice, _ type: String?) {
    guard let type else { return append(payload) }
    append(object: payload, setting: "error") { $0.append(quoted: type) }
  }

  fileprivate mutating func append(endOfFailure payload: StaticString, _ type: String?) {
    payload.withUTF8Buffer { append(endOfFailure: $0, type) }
  }
}
