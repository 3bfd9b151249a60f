// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Keeps responses. It writes a response into the file before the client sees its end.
///
/// Answers that are not kept pass as the bytes that came. The answer to the operation `health` gets a member
/// `responses_store` in its `details`.
package struct ResponseKeeper: RecordFilter {
  package static let side = Side.answer

  /// A response that is to be kept, or the answer to a health request.
  private final class Answer {
    /// The row of a response that is to be kept; nil for a health answer.
    let number: Int?
    let time: Int
    /// The `encrypted_content` of reasoning items, by their ids; a JSON object.
    var seals = Bytes()
    /// Whether the response has been kept, or can't be kept.
    var isDone = false

    init(number: Int?, time: Int) {
      self.number = number
      self.time = time
    }
  }

  private let file: ResponsesFile
  private var answers = OpenAnswers<Answer>()

  package init(_ settings: ResponsesFile.Settings) { file = ResponsesFile(settings) }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    switch line.kind {
    case .begin:
      if let answer = Self.answer(line.ctx) {
        // If too many answers are open, this one is passed on, but not kept.
        if answers.count < Limits.maxOpen { try answers.open(line.rid, answer) } else { discard(answer) }
      }
      out.forward(line)
    case .event:
      if answers.count > 0, Self.maybeLast(line.payload), let answer = answers.find(line.rid) {
        takeLast(event: line.payload, answer, to: &out)
      }
      out.forward(line)
    case .response:
      guard answers.count > 0, let answer = answers.find(line.rid) else { return out.forward(line) }
      guard answer.number != nil else { return report(line, answer, to: &out) }
      finish(answer, with: line.payload, to: &out)
      out.forward(line)
    case .error:
      let answer = answers.count > 0 ? answers.find(line.rid) : nil
      if let answer = answer ?? Self.answer(line.ctx) { discard(answer) }
      out.forward(line)
      file.report(to: &out)
    case .end:
      if answers.count > 0, let answer = answers.find(line.rid) {
        answers.close(line.rid.text)
        discard(answer)
      }
      out.forward(line)
    case .request, .cancel, .http, .data: out.forward(line)
    default:
      guard let seals = Scan.member("keep", of: line.bytes) else { return out.forward(line) }
      guard let answer = answers.find(line.rid), !answer.isDone else { return }
      answer.seals.removeAll(keeping: 0)
      answer.seals.append(seals)
    }
  }

  package mutating func forget(_ id: RequestID) {
    var rid = id.text
    if let answer = rid.withUTF8({ answers.find($0) }) { discard(answer) }
    answers.close(id.text)
  }

  package mutating func finish(to out: inout Output) {
    for (_, answer) in answers.drain() { discard(answer) }
    file.report(to: &out)
  }

  // MARK: Which answers

  /// The state of an answer that is to be kept or completed; nil for most answers.
  private static func answer(_ ctx: ByteSlice?) -> Answer? {
    guard let ctx else { return nil }
    var (number, isReport) = (Int?.none, false)
    Scan.members(ctx) { key, value in
      if key.equals("responses-store") { number = Scan.member("key", of: value).flatMap { Int($0.text) } }
      if key.equals("op") { isReport = value.equals(#""health""#) }
      return true
    }
    guard number != nil || isReport else { return nil }
    return Answer(number: number, time: RequestContext(ctx).time)
  }

  /// Whether an event can be the last event of a response. For most events the first bytes show that they can't.
  private static func maybeLast(_ event: ByteSlice) -> Bool {
    guard event.starts(with: #"{"type":""#) else { return true }
    return event.starts(with: "response.", at: 9)
      && (event.starts(with: "completed\"", at: 18) || event.starts(with: "incomplete\"", at: 18)
        || event.starts(with: "failed\"", at: 18))
  }

  private func takeLast(event: ByteSlice, _ answer: Answer, to out: inout Output) {
    guard let type = Scan.plainString(Scan.member("type", of: event)) else { return }
    if type.equals("response.failed") { return discard(answer) }
    guard type.equals("response.completed") || type.equals("response.incomplete"),
      let response = Scan.member("response", of: event)
    else { return }
    finish(answer, with: response, to: &out)
  }

  // MARK: Keeping

  private func finish(_ answer: Answer, with response: ByteSlice, to out: inout Output) {
    guard let number = answer.number, !answer.isDone else { return }
    guard let kept = Self.kept(response, answer.seals.slice) else { return discard(answer) }
    answer.isDone = true
    let added = kept.items.byteCount + response.count
    _ = file.perform(.writing, at: answer.time) { (database) throws(SQLiteFault) in
      guard try database.keep(kept, as: number, at: answer.time) else { return }
      try database.sweep(file.settings, added: added, at: answer.time)
    }
    file.report(to: &out)
  }

  /// Nil if the response failed, or is not a response.
  private static func kept(_ response: ByteSlice, _ seals: ByteSlice) -> Database.KeptAnswer? {
    var (id, output, status) = (ByteSlice?.none, ByteSlice?.none, ByteSlice?.none)
    Scan.members(response) { key, value in
      if key.equals("id") { id = value }
      if key.equals("output") { output = value }
      if key.equals("status") { status = value }
      return true
    }
    guard let id = id.flatMap({ JSONString.text(of: $0) }), !id.isEmpty, let output, output.first == UInt8(ascii: "["),
      status?.equals(#""failed""#) != true, let start = response.baseAddress, let first = output.baseAddress
    else { return nil }
    var sealsByID: [String: ByteSlice] = [:]
    if !seals.isEmpty {
      Scan.members(seals) { key, value in
        if value.first == UInt8(ascii: "\"") { sealsByID[key.text] = value }
        return true
      }
    }
    var items = ItemList()
    Scan.elements(output) { element in
      if let item = Item(element) { items.append(item, name: id, seal: item.id.flatMap { sealsByID[$0] }) }
      return true
    }
    let at = first - start
    return Database.KeptAnswer(
      id: id, head: response.cut(0, at + 1), tail: response.cut(at + output.count - 1, response.count), items: items)
  }

  /// Removes the row of a request that has no answer to keep.
  private func discard(_ answer: Answer) {
    guard let number = answer.number, !answer.isDone else { return }
    answer.isDone = true
    _ = file.perform(.writing, at: answer.time) { (database) throws(SQLiteFault) in
      try database.removePending(number)
    }
  }

  // MARK: Health

  private func report(_ line: Line, _ answer: Answer, to out: inout Output) {
    let state = file.report(at: answer.time)
    out.record(.response, of: line.rid, isBare: line.isBare) { bytes in
      bytes.append(object: line.payload, setting: "details") { bytes in
        let details = Scan.member("details", of: line.payload).flatMap { $0.first == UInt8(ascii: "{") ? $0 : nil }
        bytes.append(object: details, setting: "responses_store") { $0.append(text: state) }
      }
    }
    file.report(to: &out)
  }
}
