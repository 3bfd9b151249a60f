// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// One response on its way to the client, from `begin` to `end`.
///
/// A whole answer is translated as a stream is, without its events. So both have the same output.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses-streaming>
final class ResponsesAnswer: AnswerState, TranslatedAnswer {
  typealias Defaults = MessagesToResponses.Defaults

  static let dialect = Dialect.responses
  static let spentNote: StaticString? = "resp2anth"

  /// What the request side noted for the answer.
  let note: ResponsesNote
  /// The answer's events are written.
  private var isStream = false
  /// `response.created` has been written.
  var hasBegun = false
  /// The event that ends the response has been written.
  private var isOver = false
  private var sequence = 0
  private(set) var items: [ResponseItem] = []
  /// The item that began last. It stays open until the next one begins, since only then it is known to be complete.
  private var latest: ResponseItem?
  /// Searches without a result yet, by the id of their call.
  var searches: [String: ResponseItem] = [:]
  /// An event's record up to the number, for text.
  private var deltaHead = Bytes()
  /// The only message that takes text just now, and the index of its block as events name it.
  private var textTarget: (item: ResponseItem, index: String)?
  /// What the store keeps and the client does not get, by the id of the item.
  private let kept = JSON.object

  init(_ line: Line, _ defaults: Defaults) {
    note = ResponsesNote(line.ctx)
    super.init(line, note: "resp2anth", created: defaults.created)
  }

  // MARK: Events

  /// Writes one event of the stream; nothing in an answer that is none.
  func event(_ type: StaticString, to out: inout Output, _ members: (inout Bytes) -> Void) {
    guard isStream, !isOver else { return }
    out.record(.event, of: id) {
      $0.append(#"{"type":""#)
      $0.append(type)
      $0.append(#"","sequence_number":"#)
      $0.append(decimal: sequence)
      members(&$0)
      $0.append("}")
    }
    sequence += 1
  }

  /// Writes an event about an item.
  func event(
    _ type: StaticString, of item: ResponseItem, part: StaticString = "", to out: inout Output,
    _ members: (inout Bytes) -> Void = { _ in }
  ) {
    event(type, to: &out) {
      $0.append(#","item_id":"#)
      $0.append(quoted: item.id)
      $0.append(#","output_index":"#)
      $0.append(decimal: item.index)
      $0.append(part)
      members(&$0)
    }
  }

  func takeTextDelta(_ event: ByteSlice, to out: inout Output) -> Bool {
    guard let target = textTarget, let delta = Self.textDelta(event) else { return false }
    var index = target.index
    guard index.withUTF8({ delta.index.equals($0) }) else { return false }
    let inside = delta.text.cut(1, delta.text.count - 1)
    target.item.text.append(inside)
    out.bytes.append(deltaHead.slice)
    out.bytes.append(decimal: sequence)
    out.bytes.append(target.item.deltaMiddle.slice)
    out.bytes.append(inside)
    out.bytes.append(id.isBare ? "\",\"logprobs\":[]}\n" : "\",\"logprobs\":[]}}\n")
    sequence += 1
    return true
  }

  /// Text goes by the short way while one block of text takes it, and that block is named by a number.
  func findTextTarget() {
    textTarget = nil
    guard isStream, !isOver, let latest, case .message = latest.kind, let block = latest.lane.first,
      !latest.lane.isShared,
      !block.isOver, let index = block.index
    else { return }
    textTarget = (latest, String(index))
  }

  // MARK: Beginning and end

  func begin(_ message: JSON, to out: inout Output) {
    guard !hasBegun else { return }
    let tail = Self.tail(ofID: message["id"]?.string)
    messageID = tail.isEmpty ? ownTail : tail
    model = askedModel ?? message["model"]?.string ?? ""
    isStream = true
    start(to: &out)
  }

  /// An answer that has no id is known by its request.
  var ownTail: String {
    String(decoding: id.text.utf8.filter { $0.isLetterOrDigit(or: "-_") }, as: UTF8.self)
  }

  private func start(to out: inout Output) {
    hasBegun = true
    if !id.isBare {
      deltaHead.append(#"{"rid":""#)
      deltaHead.append(text: id.text)
      deltaHead.append(#"","event":"#)
    }
    deltaHead.append(#"{"type":"response.output_text.delta","sequence_number":"#)
    for type in ["response.created", "response.in_progress"] as [StaticString] {
      event(type, to: &out) { appendResponse(status: .inProgress, to: &$0) }
    }
  }

  /// Begins an answer whose beginning never came.
  func startIfNeeded(to out: inout Output) {
    guard !hasBegun else { return }
    isStream = true
    messageID = ownTail
    model = askedModel ?? ""
    start(to: &out)
  }

  /// The reasons are looked at when the stream stops: until then its last item is open.
  func end(_ delta: JSON, to out: inout Output) {}

  func stop(to out: inout Output) {
    guard !isOver, !hasFailed else { return }
    startIfNeeded(to: &out)
    let status = complete(to: &out)
    keep(to: &out)
    event(status == .completed ? "response.completed" : "response.incomplete", to: &out) {
      appendResponse(status: status, to: &$0)
    }
    (isOver, textTarget) = (true, nil)
  }

  /// Ends all items, and returns the response's status.
  func complete(to out: inout Output) -> ResponseStatus {
    // OpenAI's responses have a member of that name with another meaning.
    if own["input_transformations"] != nil { loss.dropped("input_transformations") }
    let status: ResponseStatus = incompleteReason == nil ? .completed : .incomplete
    if stopReason == "refusal", let words = own["stop_details"]?["explanation"], words.isString {
      let item = message(for: nil, to: &out)
      show(item, to: &out)
      item.refusal = words
    }
    if items.isEmpty { giveReasoning(to: &out) }
    for item in searches.values.sorted(by: { $0.index < $1.index }) where item !== latest {
      finish(item, status: .incomplete, to: &out)
    }
    if let latest { finish(latest, status: status, to: &out) }
    return status
  }

  /// - SeeAlso: <https://docs.anthropic.com/en/api/handling-stop-reasons>
  var incompleteReason: StaticString? {
    switch stopReason {
    case "max_tokens", "model_context_window_exceeded": "max_output_tokens"
    case "refusal": "content_filter"
    default: nil
    }
  }

  /// Hands the store what the client does not get.
  func keep(to out: inout Output) {
    guard note.keeps, !note.isEncrypted, kept.count > 0, !id.isBare else { return }
    out.bytes.append(#"{"rid":""#)
    out.bytes.append(text: id.text)
    out.bytes.append(#"","keep":"#)
    out.bytes.append(kept)
    out.bytes.append("}\n")
  }

  func keep(_ seal: JSON, of item: ResponseItem) { kept[item.id] = seal }

  // MARK: Items

  /// Makes the next item of the output, and completes the one before it where all of it is there.
  func add(_ kind: ResponseItem.Kind, _ mark: String, block: StreamedBlock?, to out: inout Output) -> ResponseItem {
    startIfNeeded(to: &out)
    if case .reasoning = kind {} else if items.isEmpty { giveReasoning(to: &out) }
    if let latest {
      // Clients put an item where the last one is that began, whatever its number.
      if latest.openBlocks == 0 { finish(latest, status: .completed, to: &out) } else { show(latest, to: &out) }
    }
    // An item of no block must not take the name that a later block's has.
    let place = block.map { "\($0.number)" } ?? "\(blocks.count)_\(items.count)"
    let item = ResponseItem(kind, id: "\(mark)_\(messageID)_\(place)", index: items.count)
    items.append(item)
    latest = item
    if let block {
      block.item = item
      item.openBlocks = 1
    }
    return item
  }

  /// Clients that asked for reasoning wait for an item of it, whether or not the model thought.
  private func giveReasoning(to out: inout Output) {
    guard note.reasons else { return }
    let item = ResponseItem(.reasoning, id: "rs_\(messageID)_\(max(0, blocks.count - 1))", index: 0)
    items.append(item)
    show(item, to: &out)
    finish(item, status: .completed, to: &out)
  }

  /// The message that text belongs to: the one that began last, where nothing else began after it.
  func message(for block: StreamedBlock?, to out: inout Output) -> ResponseItem {
    guard let latest, case .message = latest.kind, latest.done.isEmpty else {
      return add(.message, "msg", block: block, to: &out)
    }
    if let block {
      block.item = latest
      latest.openBlocks += 1
    }
    return latest
  }

  /// The reasoning that words of no block belong to.
  func reasoning(to out: inout Output) -> ResponseItem {
    if let latest, case .reasoning = latest.kind, latest.done.isEmpty { return latest }
    let item = add(.reasoning, "rs", block: nil, to: &out)
    show(item, to: &out)
    return item
  }

  /// Takes the end of one of an item's blocks.
  func release(_ item: ResponseItem, to out: inout Output) {
    item.openBlocks -= 1
    if item.openBlocks == 0, item !== latest { finish(item, status: .completed, to: &out) }
  }

  // MARK: Errors

  func fail(with error: AnswerError, to out: inout Output) -> Bool {
    guard hasBegun || (note.isStream && error.isActedOnInStreams && !id.isBare) else { return false }
    fail(beforeItBegan: error, to: &out)
    return true
  }

  func fail(beforeItBegan error: AnswerError, to out: inout Output) {
    guard !isOver else { return }
    startIfNeeded(to: &out)
    for item in items where item.done.isEmpty { cut(item) }
    keep(to: &out)
    let made = JSON(object: ["code": error.codeInStreams, "message": JSON(error.messageWithDelay)])
    event("response.failed", to: &out) { appendResponse(status: .failed, error: made, to: &$0) }
    (isOver, failure, textTarget) = (true, error.type, nil)
  }

  func finish(isCancelled: Bool, to out: inout Output) {
    guard hasBegun, isStream, !isOver, !hasFailed, !isCancelled else { return }
    hasFailed = true
    fail(beforeItBegan: AnswerError(endedEarly), to: &out)
  }
}
