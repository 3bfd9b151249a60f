// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// What an answer on its way to an OpenAI client is known by, in all forms of answers.
class AnswerState {
  let id: RequestID
  let operation: Records.Operation
  /// The model as the client asked for it; nil means the answer's own name for it.
  let askedModel: String?
  /// When the request came, in seconds since the epoch.
  let created: Int
  /// How the client named its tools.
  let clientTools: ClientTools
  var loss = LossLedger()
  /// Its error has been written; only `end` may follow.
  var hasFailed = false
  /// The type of the error that was written as an event, for the log.
  var failure: String?

  // What a stream has shown so far.
  var messageID = ""
  var model = ""
  var usage = JSON.object
  var stopReason: String?
  /// Anthropic's own members of the message.
  var own = JSON.object
  var blocks = StreamedBlocks()

  /// - Parameter name: the member of the ctx in which the request side left its note for the answer.
  init(_ line: Line, note name: StaticString, created: Int) {
    id = line.id
    let ctx = line.ctx
    operation = Records.Operation(of: ctx)
    // Without a tree of all the rest.
    func value(_ name: StaticString, in group: StaticString) -> JSON? {
      guard let ctx, let group = Scan.member(group, of: ctx), let value = Scan.member(name, of: group) else {
        return nil
      }
      return try? JSON.parse(value)
    }
    askedModel = value("asked", in: "model")?.string
    self.created = value("time", in: "http")?.integer.map { $0 / 1_000_000 } ?? created
    clientTools = ClientTools(value("tools", in: name))
  }

  /// Usage is reported twice, each time as the sum so far: the last value of each member holds.
  final func note(usage report: JSON?) {
    guard let report else { return }
    for (name, value) in report.members where !value.isNull { usage[name] = value }
  }

  final func noteOwn(_ report: JSON) {
    for name in Self.ownMembers { if let value = report[name], !value.isNull { own[name] = value } }
  }

  /// Anthropic's own members of a message, which keep their names: what follows needs some (the container), and
  /// a client that doesn't know them passes them over.
  private static let ownMembers = [
    "container", "context_management", "diagnostics", "input_transformations", "stop_details", "stop_sequence",
  ]

  /// A type's name as far as it is fit for a log.
  static func name(_ type: String?) -> String {
    let name = (type ?? "").prefix(40)
    return !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
      ? String(name) : "unknown"
  }

  /// What the model says of its refusal, where it refused and says it.
  static func refusal(of message: JSON) -> JSON {
    guard message["stop_reason"]?.equals("refusal") == true else { return .null }
    return message["stop_details"]?["explanation"] ?? .null
  }

  /// The id of a message without the mark of its kind.
  static func tail(ofID message: String?) -> String {
    let message = message ?? ""
    return message.hasPrefix("msg_") ? String(message.dropFirst(4)) : message
  }

  /// The index of a text delta in its usual form, and its text with the quotes.
  ///
  /// Nil for everything that isn't one, that says nothing, or that has to be mended.
  @inline(__always)
  static func textDelta(_ event: ByteSlice) -> (index: ByteSlice, text: ByteSlice)? {
    guard event.starts(with: #"{"type":"content_block_delta","index":"#) else { return nil }
    var at = 38
    while at < event.count, event[at] >= UInt8(ascii: "0"), event[at] <= UInt8(ascii: "9") { at += 1 }
    let index = event.cut(38, at)
    let start: StaticString = #","delta":{"type":"text_delta","text":"#
    guard event.starts(with: start, at: at) else { return nil }
    at += start.utf8CodeUnitCount
    guard at < event.count, event[at] == UInt8(ascii: "\""), let end = Scan.endOfSoundString(event, at), end > at + 2,
      event.count == end + 2, event.starts(with: "}}", at: end)
    else { return nil }
    return (index, event.cut(at, end))
  }
}

/// A form of answers: what it makes of the parts of a message, whose events are told apart for all forms.
protocol TranslatedAnswer: AnswerState {
  associatedtype Defaults: Sendable

  static var dialect: Dialect { get }
  /// The member of the ctx that no later stage needs.
  static var spentNote: StaticString? { get }
  static func body(of error: AnswerError) -> JSON
  /// Whether an error before the answer's beginning is a stream of its own.
  static func streamsErrors(of ctx: ByteSlice?, _ error: AnswerError) -> Bool

  init(_ line: Line, _ defaults: Defaults)

  /// Whether the whole answer is of a kind that OpenAI has another form for.
  var isTranslated: Bool { get }
  func respond(with body: JSON, to out: inout Output)
  /// The path of nearly every event: the text goes from one record to the other as the bytes it is, escapes and all.
  func takeTextDelta(_ event: ByteSlice, to out: inout Output) -> Bool

  func begin(_ message: JSON, to out: inout Output)
  /// Opens a block, and shows what its start holds.
  func open(_ content: JSON, at index: Int?, to out: inout Output)
  func say(_ text: JSON?, of block: StreamedBlock?, to out: inout Output)
  func think(_ words: JSON?, of block: StreamedBlock?, to out: inout Output)
  /// Takes some bytes of the input of a call.
  func feed(_ input: borrowing Bytes, of block: StreamedBlock, isEnd: Bool, to out: inout Output)
  func cite(_ citation: JSON, of block: StreamedBlock?)
  /// Takes a part that only some forms know; false where this one doesn't.
  func takeOther(_ delta: JSON, of block: StreamedBlock?) -> Bool
  /// Takes the end of a block, after the last of its input.
  func close(_ block: StreamedBlock, to out: inout Output)
  /// Takes the reasons of the message's end.
  func end(_ delta: JSON, to out: inout Output)
  /// Takes the stream's last event.
  func stop(to out: inout Output)

  /// Shows an error as the end of a stream; false where it has to be an `error` record.
  func fail(with error: AnswerError, to out: inout Output) -> Bool
  func fail(beforeItBegan error: AnswerError, to out: inout Output)
  /// Told that no more events come.
  func finish(isCancelled: Bool, to out: inout Output)
}

extension TranslatedAnswer {
  func take(event: JSON, to out: inout Output) throws(APIError) {
    switch event["type"]?.string {
    case "message_start":
      let message = event["message"] ?? .object
      note(usage: message["usage"])
      noteOwn(message)
      begin(message, to: &out)
    case "content_block_start":
      let index = StreamedBlocks.index(of: event)
      // One that has had no stop is over when another one begins at its index.
      if index != nil, let earlier = blocks.end(index) { end(earlier, to: &out) }
      open(event["content_block"] ?? .object, at: index, to: &out)
    case "content_block_delta":
      try takeDelta(event["delta"] ?? .object, at: StreamedBlocks.index(of: event), to: &out)
    case "content_block_stop":
      if let block = blocks.end(StreamedBlocks.index(of: event)) { end(block, to: &out) }
    case "message_delta":
      for block in blocks.endAll() { end(block, to: &out) }
      let delta = event["delta"] ?? .object
      note(usage: event["usage"])
      noteOwn(event)
      noteOwn(delta)
      stopReason = delta["stop_reason"]?.string ?? stopReason
      end(delta, to: &out)
    case "message_stop":
      for block in blocks.endAll() { end(block, to: &out) }
      stop(to: &out)
    default:
      // Pings, and what later versions of the API may say: nothing a client of OpenAI's knows.
      break
    }
  }

  /// Takes one part of a block.
  ///
  /// Words of a block that never began are shown all the same. A tool's input is not: the client would run the tool
  /// without it.
  private func takeDelta(_ delta: JSON, at index: Int?, to out: inout Output) throws(APIError) {
    let block = blocks.find(index)
    switch delta["type"]?.string {
    case "text_delta": say(delta["text"], of: block, to: &out)
    case "input_json_delta":
      guard let part = delta["partial_json"], part.isString, part != JSON("") else { return }
      switch block?.kind {
      case .tool, .search:
        block!.hasFragment = true
        var mended = Bytes()
        _ = part.withUTF8 { block!.mender.append($0, to: &mended) }
        feed(mended, of: block!, isEnd: false, to: &out)
      // Parts of server tools belong to no call of the client's; the ledger names them since their start.
      case .other, .compaction: break
      case .text, .thinking, .redacted: loss.dropped("content_block_delta.input_json_delta")
      case nil:
        let place = index.map { " at index \($0)" } ?? ""
        throw APIError(status: 502, "the backend sent input for a tool\(place), where no block is open")
      }
    case "thinking_delta": think(delta["thinking"], of: block, to: &out)
    case "signature_delta":
      // The vendor's own libraries take the last one for the whole signature.
      if let signature = delta["signature"], let block, case .thinking = block.kind {
        block.signature = signature
      } else {
        loss.dropped("content_block_delta.signature_delta")
      }
    case "citations_delta": cite(delta["citation"] ?? .null, of: block)
    case let type:
      guard !takeOther(delta, of: block) else { return }
      say(delta["text"], of: block, to: &out)
      loss.dropped("content_block_delta." + Self.name(type))
    }
  }

  /// Shows what a block that is over still owes, and what waited for its end.
  func end(_ block: StreamedBlock, to out: inout Output) {
    switch block.kind {
    case .tool, .search:
      var rest = Bytes()
      if block.hasFragment {
        block.mender.finish(to: &rest)
      } else {
        // The input at the start is a placeholder, unless nothing follows.
        rest.append(block.content["input"] ?? .object)
      }
      feed(rest, of: block, isEnd: true, to: &out)
    case .text, .other, .thinking, .redacted, .compaction: break
    }
    close(block, to: &out)
  }
}
