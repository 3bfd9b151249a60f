// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

/// Translates Anthropic answers to OpenAI ones; answers of the other dialect pass as they are.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>,
///   <https://platform.openai.com/docs/api-reference/chat/streaming>
package struct MessagesToChat: RecordFilter {
  package static let side = Side.answer

  /// What answers take that came without a ctx.
  package struct Defaults: Sendable {
    /// Seconds since the epoch, for `created`.
    package var created = 0
    /// Whether a stream ends with a chunk of the usage.
    package var includeUsage = false

    package init(created: Int = 0, includeUsage: Bool = false) {
      self.created = created
      self.includeUsage = includeUsage
    }
  }

  private let defaults: Defaults
  /// Answers that are translated; those of the other dialect leave no trace here.
  private var answers = OpenAnswers<ChatAnswer>()

  package init(defaults: Defaults = Defaults()) { self.defaults = defaults }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    switch line.kind {
    case .begin:
      guard Dialect(of: line.ctx) == .openai else { return out.forward(line) }
      try answers.open(line.rid, ChatAnswer(line, defaults))
      Self.withMark(line.ctx) {
        out.record(.begin, of: line.rid, isBare: line.isBare, ctx: $0) { $0.append(line.payload) }
      }
    case .event:
      guard let answer = answers.find(line.rid) else { return out.forward(line) }
      if !answer.takeTextDelta(line.payload, to: &out) { try answer.take(event: try Self.parse(line), to: &out) }
    case .response:
      guard let answer = answers.find(line.rid), answer.isTranslated else { return out.forward(line) }
      let body = answer.response(try Self.parse(line))
      out.record(.response, of: line.rid, isBare: line.isBare) { $0.append(body) }
    case .error:
      guard answers.find(line.rid) != nil || Dialect(of: line.ctx) == .openai else { return out.forward(line) }
      try translateError(line, to: &out)
    case .end:
      guard let answer = answers.find(line.rid) else { return out.forward(line) }
      answers.close(line.rid.text)
      end(line, answer, to: &out)
    default:
      out.forward(line)
    }
  }

  package mutating func forget(_ id: RequestID) { answers.close(id.text) }

  package mutating func finish(to out: inout Output) {
    for (rid, answer) in answers.drain() {
      var rid = rid
      rid.withUTF8 { rid in
        if !answer.hasFailed {
          out.record(.error, of: rid, isBare: false) {
            $0.append(#"{"status":502,"headers":{},"body":"#)
            $0.append(ChatError.body(status: 502, type: endedEarly.type, message: endedEarly.message, param: nil))
            $0.append("}")
          }
        }
        out.end(rid, isBare: answer.isBare)
      }
    }
  }

  private static func parse(_ line: Line) throws(APIError) -> JSON {
    do throws(JSONError) {
      return try JSON.parse(mending: line.payload)
    } catch {
      throw APIError(status: 502, "the backend's answer is not JSON: \(error.reason) at byte \(error.offset)")
    }
  }

  private mutating func translateError(_ line: Line, to out: inout Output) throws(APIError) {
    let error = try Self.parse(line)
    answers.find(line.rid)?.hasFailed = true
    let body = ChatError.body(of: error["body"] ?? .object, status: error["status"]?.integer ?? 500)
    if line.isBare {
      out.bytes.append(body)
      out.bytes.append("\n")
      return
    }
    let made = error.shallowCopy()
    made["body"] = body
    Self.withMark(line.ctx) { out.record(.error, of: line.rid, isBare: false, ctx: $0) { $0.append(made) } }
  }

  /// Hands over a ctx that says of the answer that it was translated: sse-encode refuses others.
  private static func withMark(_ ctx: ByteSlice?, _ body: (ByteSlice?) -> Void) {
    guard let ctx else { return body(nil) }
    var marked = Bytes(capacity: ctx.count + 24)
    marked.append(object: ctx, setting: "translated") { $0.append(#""openai""#) }
    body(marked.slice)
  }

  /// Writes `end`, with what was lost on the way back added to it.
  private func end(_ line: Line, _ answer: ChatAnswer, to out: inout Output) {
    guard !line.isBare else { return }
    guard !answer.loss.isEmpty, line.payload.first == UInt8(ascii: "{") else { return out.forward(line) }
    out.record(.end, of: line.rid, isBare: false) { $0.append(object: line.payload, adding: answer.loss) }
  }
}
