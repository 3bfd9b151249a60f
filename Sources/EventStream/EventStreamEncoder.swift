// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Turns answers into HTTP: events into a `text/event-stream`, a response or an error into a JSON body.
///
/// In: `begin (event* | response) error? end`. Out: `http data* end`.
///
/// - SeeAlso: <https://html.spec.whatwg.org/multipage/server-sent-events.html>
package struct EventStreamEncoder: RecordFilter {
  package static let side = Side.answer

  private final class Answer {
    enum Phase {
      /// `begin` came: what follows decides what kind of HTTP answer it is.
      case held
      case streaming
      /// The body is written; only `end` is awaited.
      case bodied
      /// It was answered by an error, because the pipeline lacks a stage; what the backend says of it is left out.
      case refused
    }

    var phase: Phase
    let isBare: Bool
    /// The payload of `begin`, and its ctx.
    let begin: String
    let ctx: String?
    /// `{"rid":"…","data":"`, what every data record begins with.
    let prefix: Bytes
    /// The type and the field of the error that the answer is or ended with, as JSON strings.
    var error: (type: String, param: String?)?

    init(_ line: Line, _ phase: Phase) {
      self.phase = phase
      isBare = line.isBare
      begin = phase == .held ? line.payload.text : "{}"
      ctx = line.ctx?.text
      var prefix = Bytes(capacity: line.rid.count + 18)
      prefix.append(#"{"rid":""#)
      prefix.append(line.rid)
      prefix.append(#"","data":""#)
      self.prefix = prefix
    }
  }

  private var answers = OpenAnswers<Answer>()
  /// The log already says that a stage is missing.
  private var hasToldOfMissingStage = false

  package init() {}

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    switch line.kind {
    case .begin: try begin(line, to: &out)
    case .event:
      guard let answer = answers.find(line.rid) else { throw Self.outOfPlace(line) }
      if line.payload[0] == UInt8(ascii: "\""), !Self.isString(line.payload) {
        throw APIError(status: 502, "an event is neither an object nor a string")
      }
      if answer.phase == .held { startStream(answer, line, to: &out) }
      guard answer.phase == .streaming else {
        if answer.phase == .refused { return }
        throw Self.outOfPlace(line)
      }
      Self.encode(line.payload, answer, to: &out)
    case .response:
      guard let answer = answers.find(line.rid), answer.phase == .held || answer.phase == .refused else {
        throw Self.outOfPlace(line)
      }
      guard answer.phase == .held else { return }
      answer.phase = .bodied
      var head = HTTPHead(ctx: answer.ctx)
      head.take(begin: answer.begin)
      head.write(of: line.rid, isBare: line.isBare, bodyLength: line.payload.count, to: &out)
      Self.body(line.payload, answer, to: &out)
    case .error: try takeError(line, to: &out)
    case .end:
      let answer = answers.find(line.rid)
      if let answer {
        answers.close(line.rid.text)
        if answer.phase == .held { Self.refuse(answer, line.rid, to: &out) }
      }
      // An end alone is a cancelled request's: there is no one to answer.
      let isCancelled = Scan.member("cancelled", of: line.payload)?.equals("true") == true
      Self.end(line.rid, isBare: line.isBare, line.payload, error: isCancelled ? nil : answer?.error, to: &out)
    default:
      out.forward(line)
    }
  }

  package mutating func forget(_ id: RequestID) { answers.close(id.text) }

  package mutating func finish(to out: inout Output) {
    for (rid, answer) in answers.drain() {
      var rid = rid
      rid.withUTF8 { rid in
        switch answer.phase {
        case .held: Self.refuse(answer, rid, to: &out)
        case .streaming:
          var body = Bytes()
          body.append(body: endedEarly, requestID: rid)
          Self.encode(error: body.slice, answer, to: &out)
        case .bodied, .refused: break
        }
        Self.end(rid, isBare: answer.isBare, nil, error: answer.error, to: &out)
      }
    }
  }

  // Apart, so that the way of an event stays short.
  @inline(never)
  private mutating func begin(_ line: Line, to out: inout Output) throws(APIError) {
    guard answers.find(line.rid) == nil else { throw APIError(status: 502, "an answer began twice") }
    let answer = Answer(line, .held)
    try answers.open(line.rid, answer)
    if !line.isBare, let missing = MissingStage(ctx: line.ctx) {
      note(missing, line.rid, to: &out)
      var body = Bytes()
      missing.appendBody(to: &body, requestID: line.rid)
      Self.refuse(answer, line.rid, body.slice, to: &out)
      answer.phase = .refused
    }
  }

  /// Tells the operator once: every request of such a pipeline fails.
  private mutating func note(_ missing: MissingStage, _ rid: ByteSlice, to out: inout Output) {
    guard !hasToldOfMissingStage else { return }
    hasToldOfMissingStage = true
    out.note(.error, missing.message, rid: rid)
  }

  private static func outOfPlace(_ line: Line) -> APIError {
    APIError(status: 502, "a record of kind \(Line.key(of: line.kind)) stands where it can't")
  }

  private mutating func startStream(_ answer: Answer, _ line: Line, to out: inout Output) {
    answer.phase = .streaming
    var head = HTTPHead(ctx: answer.ctx)
    head.take(begin: answer.begin)
    head.write(of: line.rid, isBare: line.isBare, bodyLength: nil, to: &out)
  }

  private mutating func takeError(_ line: Line, to out: inout Output) throws(APIError) {
    let body = Scan.member("body", of: line.payload) ?? Scan.member("error", of: line.payload)
    guard let body else { throw APIError(status: 502, "an error record has no body") }
    guard let answer = answers.find(line.rid) else {
      let answer = Answer(line, .bodied)
      try answers.open(line.rid, answer)
      // An error of an early stage keeps its status and its words, which say more; clients of OpenAI's find its type
      // and its message where Anthropic's API has them.
      if let missing = MissingStage(ctx: line.ctx) { note(missing, line.rid, to: &out) }
      return Self.write(error: body, line.payload, answer, line.rid, to: &out)
    }
    switch answer.phase {
    case .held: Self.write(error: body, line.payload, answer, line.rid, to: &out)
    case .streaming: Self.encode(error: body, answer, to: &out)
    case .bodied: out.note(.warning, "an error came after a whole body", rid: line.rid)
    case .refused: return
    }
    answer.phase = .bodied
  }

  /// An error as the stream's last event.
  private static func encode(error body: ByteSlice, _ answer: Answer, to out: inout Output) {
    encode(body, answer, to: &out)
    answer.error = reason(of: body)
  }

  /// What an error's body says for the log: its type, and the field that is at fault.
  private static func reason(of body: ByteSlice) -> (type: String, param: String?) {
    let error = Scan.member("error", of: body)
    func text(_ name: StaticString) -> String? {
      guard let value = error.flatMap({ Scan.member(name, of: $0) }), value.count > 2,
        value.first == UInt8(ascii: "\"")
      else { return nil }
      var text = Bytes()
      // A field's name may be the client's own words.
      let inside = value.cut(1, value.count - 1)
      guard text.append(unescaped: inside) else { return nil }
      let scalars = text.text.unicodeScalars.prefix(maxReason)
      var quoted = Bytes()
      quoted.append(quoted: String(String.UnicodeScalarView(scalars)))
      return quoted.text
    }
    return (text("type") ?? #""api_error""#, text("param"))
  }

  /// How long a type or a field may be in an `end`, in characters.
  private static let maxReason = 128

  /// Writes `end`, with what the access log says of an answer that failed. The status alone doesn't say why, and a
  /// stream that failed has the status of one that didn't.
  private static func end(
    _ rid: ByteSlice, isBare: Bool, _ payload: ByteSlice?, error: (type: String, param: String?)?,
    to out: inout Output
  ) {
    out.record(.end, of: rid, isBare: isBare) { bytes in
      guard let error else { return payload.map { bytes.append($0) } ?? bytes.append("{}") }
      guard let param = error.param else {
        return bytes.append(object: payload, setting: "error") { $0.append(text: error.type) }
      }
      var typed = Bytes()
      typed.append(object: payload, setting: "error") { $0.append(text: error.type) }
      bytes.append(object: typed.slice, setting: "error_param") { $0.append(text: param) }
    }
  }

  /// An error that is the whole answer.
  private static func write(
    error body: ByteSlice, _ payload: ByteSlice, _ answer: Answer, _ rid: ByteSlice, to out: inout Output
  ) {
    var head = HTTPHead(ctx: answer.ctx)
    head.take(error: payload)
    head.write(of: rid, isBare: answer.isBare, bodyLength: body.count, to: &out)
    Self.body(body, answer, to: &out)
    answer.error = reason(of: body)
  }

  /// An answer that began and then had nothing to say.
  private static func refuse(_ answer: Answer, _ rid: ByteSlice, to out: inout Output) {
    var body = Bytes()
    body.append(body: endedEarly, requestID: rid)
    refuse(answer, rid, body.slice, to: &out)
  }

  private static func refuse(_ answer: Answer, _ rid: ByteSlice, _ body: ByteSlice, to out: inout Output) {
    var payload = Bytes()
    payload.append(#"{"status":502,"headers":{}}"#)
    write(error: body, payload.slice, answer, rid, to: &out)
  }

  private static func isString(_ payload: ByteSlice) -> Bool {
    guard payload.count >= 2, payload.last == UInt8(ascii: "\"") else { return false }
    var text = Bytes()
    return text.append(unescaped: payload.cut(1, payload.count - 1))
  }

  // MARK: Data

  private static func body(_ body: ByteSlice, _ answer: Answer, to out: inout Output) {
    if answer.isBare {
      out.bytes.append(body)
      out.bytes.append("\n")
    } else {
      out.bytes.append(answer.prefix.slice)
      out.bytes.append(escaped: body)
      out.bytes.append("\"}\n")
    }
  }

  /// Writes one event. It carries an `event:` line iff the event has a top-level string `type`.
  private static func encode(_ event: ByteSlice, _ answer: Answer, to out: inout Output) {
    if event[0] == UInt8(ascii: "\"") { return encode(literal: event, answer, to: &out) }
    if event.offset(of: 0x0D) != nil {
      // White space between JSON's tokens, but the end of a line in the stream.
      var flat = Bytes(capacity: event.count)
      for byte in event { flat.append(byte == 0x0D ? 0x20 : byte) }
      return encode(flat.slice, answer, to: &out)
    }
    let type = Scan.plainString(
      event.starts(with: #"{"type":""#)
        ? Scan.endOfString(event, 8).map { event.cut(8, $0) } : Scan.member("type", of: event))
    if answer.isBare {
      if let type {
        out.bytes.append("event: ")
        out.bytes.append(type)
        out.bytes.append("\n")
      }
      out.bytes.append("data: ")
      out.bytes.append(event)
      out.bytes.append("\n\n")
      return
    }
    out.bytes.append(answer.prefix.slice)
    if let type {
      out.bytes.append("event: ")
      out.bytes.append(type)
      out.bytes.append("\\n")
    }
    out.bytes.append("data: ")
    out.bytes.append(escaped: event)
    out.bytes.append("\\n\\n\"}\n")
  }

  /// Writes literal data, such as `[DONE]`: a line of its own for each of its lines.
  private static func encode(literal: ByteSlice, _ answer: Answer, to out: inout Output) {
    var text = Bytes()
    _ = text.append(unescaped: literal.cut(1, literal.count - 1))
    var data = Bytes()
    // A CR ends a line of the stream too; what stood behind it would be read as a field of its own.
    let ends: [Character] = ["\n", "\r", "\r\n"]
    for line in text.text.split(omittingEmptySubsequences: false, whereSeparator: ends.contains) {
      data.append("data: ")
      data.append(text: String(line))
      data.append("\n")
    }
    data.append("\n")
    if answer.isBare {
      out.bytes.append(data.slice)
    } else {
      out.bytes.append(answer.prefix.slice)
      out.bytes.append(escaped: data.slice)
      out.bytes.append("\"}\n")
    }
  }
}
