// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// How items are written: as they begin, and complete.
extension ResponsesAnswer {
  /// Writes the event by which an item begins, once.
  func show(_ item: ResponseItem, to out: inout Output) {
    guard !item.isShown else { return }
    item.isShown = true
    event("response.output_item.added", to: &out) {
      $0.append(#","output_index":"#)
      $0.append(decimal: item.index)
      $0.append(#","item":"#)
      item.append(status: .inProgress, isComplete: false, to: &$0)
    }
  }

  /// Begins the text of a message, once.
  func showText(of item: ResponseItem, to out: inout Output) {
    guard !item.hasText else { return }
    item.hasText = true
    item.deltaMiddle.append(#","item_id":"#)
    item.deltaMiddle.append(quoted: item.id)
    item.deltaMiddle.append(#","output_index":"#)
    item.deltaMiddle.append(decimal: item.index)
    item.deltaMiddle.append(#","content_index":0,"delta":""#)
    event("response.content_part.added", of: item, part: #","content_index":0"#, to: &out) {
      $0.append(#","part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}"#)
    }
  }

  /// Completes an item, and writes the events that say so.
  func finish(_ item: ResponseItem, status: ResponseStatus, to out: inout Output) {
    guard item.done.isEmpty else { return }
    var status = status
    switch item.kind {
    case .reasoning:
      seal(item)
      finishSummary(of: item, to: &out)
    case .message:
      finishText(of: item, to: &out)
      refuse(in: item, to: &out)
    case .functionCall: finishInput(of: item, "response.function_call_arguments.done", #","arguments":""#, to: &out)
    case .customCall: finishInput(of: item, "response.custom_tool_call_input.done", #","input":""#, to: &out)
    case .localCall: if item.isOfAnotherForm { settle(item, &status, to: &out) }
    case .webSearch, .compaction: break
    }
    show(item, to: &out)
    item.append(status: status, isComplete: true, to: &item.done)
    event("response.output_item.done", to: &out) {
      $0.append(#","output_index":"#)
      $0.append(decimal: item.index)
      $0.append(#","item":"#)
      $0.append(item.done.slice)
    }
  }

  /// Keeps what there is of an item in a response that failed, where that can do no harm: half a call could be run.
  func cut(_ item: ResponseItem) {
    switch item.kind {
    case .message: break
    case .reasoning: seal(item)
    default: return
    }
    item.append(status: .incomplete, isComplete: true, to: &item.done)
  }

  private func seal(_ item: ResponseItem) {
    guard note.isEncrypted || note.keeps else { return }
    let seal = ReasoningSeal.seal(item.sealed)
    if note.isEncrypted { item.seal = seal } else { keep(seal, of: item) }
  }

  private func finishSummary(of item: ResponseItem, to out: inout Output) {
    guard !item.text.isEmpty else { return }
    event("response.reasoning_summary_text.done", of: item, part: #","summary_index":0"#, to: &out) {
      $0.append(#","text":""#)
      $0.append(item.text.slice, "\"")
    }
    event("response.reasoning_summary_part.done", of: item, part: #","summary_index":0"#, to: &out) {
      $0.append(#","part":{"type":"summary_text","text":""#)
      $0.append(item.text.slice, "\"}")
    }
  }

  private func finishText(of item: ResponseItem, to out: inout Output) {
    guard item.hasText else { return }
    event("response.output_text.done", of: item, part: #","content_index":0"#, to: &out) {
      $0.append(#","text":""#)
      $0.append(item.text.slice, "\"")
      $0.append(#","logprobs":[]"#)
    }
    event("response.content_part.done", of: item, part: #","content_index":0"#, to: &out) {
      $0.append(#","part":"#)
      item.appendText(to: &$0)
    }
  }

  /// Completes a call whose input does not have the form of its tool: as a call of a function with that input.
  ///
  /// If the client has seen the item already, it stays what it began as, because clients decide by that what it is.
  /// Then it has no command or patch and is incomplete. So nothing is run, and the model learns of it by the result.
  private func settle(_ item: ResponseItem, _ status: inout ResponseStatus, to out: inout Output) {
    guard !item.isShown else {
      status = .incomplete
      return loss.dropped("content.tool_use.input")
    }
    item.kind = .functionCall
    show(item, to: &out)
    let input = item.input.take()
    take(input: input.slice, of: item, to: &out)
    finishInput(of: item, "response.function_call_arguments.done", #","arguments":""#, to: &out)
  }

  private func finishInput(
    of item: ResponseItem, _ type: StaticString, _ name: StaticString, to out: inout Output
  ) {
    event(type, of: item, to: &out) {
      $0.append(name)
      $0.append(item.text.slice, "\"")
    }
  }

  /// Writes a refusal as one more part of its message.
  private func refuse(in item: ResponseItem, to out: inout Output) {
    guard let words = item.refusal else { return }
    let part: StaticString = item.hasText ? #","content_index":1"# : #","content_index":0"#
    event("response.content_part.added", of: item, part: part, to: &out) {
      $0.append(#","part":{"type":"refusal","refusal":""}"#)
    }
    event("response.refusal.delta", of: item, part: part, to: &out) {
      $0.append(#","delta":"#)
      $0.append(words)
    }
    event("response.refusal.done", of: item, part: part, to: &out) {
      $0.append(#","refusal":"#)
      $0.append(words)
    }
    event("response.content_part.done", of: item, part: part, to: &out) {
      $0.append(#","part":{"type":"refusal","refusal":"#)
      $0.append(words)
      $0.append("}")
    }
  }
}

extension ResponseItem {
  /// Appends the item: as it begins, or with all that it holds.
  func append(status: ResponseStatus, isComplete: Bool, to bytes: inout Bytes) {
    bytes.append(#"{"id":"#)
    bytes.append(quoted: id)
    switch kind {
    case .reasoning:
      bytes.append(#","type":"reasoning","summary":["#)
      if isComplete, !text.isEmpty {
        bytes.append(#"{"type":"summary_text","text":""#)
        bytes.append(text.slice, "\"}")
      }
      bytes.append("]")
      if isComplete, let seal {
        bytes.append(#","encrypted_content":"#)
        bytes.append(seal)
      }
    case .message: appendMessage(status, isComplete, to: &bytes)
    case .functionCall: appendCall("function_call", status, #","arguments":""#, isComplete, to: &bytes)
    case .customCall: appendCall("custom_tool_call", status, #","input":""#, isComplete, to: &bytes)
    case .localCall(let type):
      bytes.append(#","type":"#)
      bytes.append(quoted: type)
      // A patch has no other word for what wasn't completed.
      append(
        status: type == "apply_patch_call" && status == .incomplete ? .inProgress : status, to: &bytes)
      bytes.append(#","call_id":"#)
      bytes.append(block["id"] ?? JSON(""))
      bytes.append(type == "apply_patch_call" ? #","operation":"# : #","action":"#)
      bytes.append(action ?? LocalCall.start(of: type))
    case .webSearch: appendSearch(status, isComplete, to: &bytes)
    case .compaction:
      bytes.append(#","type":"compaction","encrypted_content":"#)
      bytes.append(ReasoningSeal.seal(sealed))
    }
    bytes.append("}")
  }

  private func append(status: ResponseStatus, to bytes: inout Bytes) {
    bytes.append(#","status":""#)
    bytes.append(text: status.rawValue)
    bytes.append("\"")
  }

  private func appendMessage(_ status: ResponseStatus, _ isComplete: Bool, to bytes: inout Bytes) {
    bytes.append(#","type":"message""#)
    append(status: status, to: &bytes)
    bytes.append(#","role":"assistant","content":["#)
    if isComplete, hasText { appendText(to: &bytes) }
    if isComplete, let refusal {
      bytes.append(hasText ? #",{"type":"refusal","refusal":"# : #"{"type":"refusal","refusal":"#)
      bytes.append(refusal)
      bytes.append("}")
    }
    bytes.append("]")
  }

  /// Appends the text of a message as a part of its content.
  func appendText(to bytes: inout Bytes) {
    bytes.append(#"{"type":"output_text","annotations":["#)
    // The last one ends with a comma.
    bytes.append(annotations.slice.cut(0, max(0, annotations.count - 1)))
    bytes.append(#"],"logprobs":[],"text":""#)
    bytes.append(text.slice, "\"}")
  }

  private func appendCall(
    _ type: StaticString, _ status: ResponseStatus, _ name: StaticString, _ isComplete: Bool, to bytes: inout Bytes
  ) {
    bytes.append(#","type":""#)
    bytes.append(type)
    bytes.append("\"")
    append(status: status, to: &bytes)
    bytes.append(#","call_id":"#)
    bytes.append(block["id"] ?? JSON(""))
    bytes.append(#","name":"#)
    bytes.append(self.name)
    if let namespace {
      bytes.append(#","namespace":"#)
      bytes.append(namespace)
    }
    if let toolset = block["toolset_name"], !toolset.isNull {
      bytes.append(#","toolset_name":"#)
      bytes.append(toolset)
    }
    bytes.append(name)
    if isComplete { bytes.append(text.slice) }
    bytes.append("\"")
  }

  private func appendSearch(_ status: ResponseStatus, _ isComplete: Bool, to bytes: inout Bytes) {
    bytes.append(#","type":"web_search_call","status":"#)
    if isComplete { bytes.append(quoted: self.status ?? "incomplete") } else { bytes.append("\"in_progress\"") }
    bytes.append(#","action":{"type":"search""#)
    if isComplete, let query = (try? JSON.parse(input.slice))?["query"], query.isString {
      bytes.append(#","query":"#)
      bytes.append(query)
      bytes.append(#","queries":["#)
      bytes.append(query)
      bytes.append("]")
    }
    if isComplete, !sources.isEmpty {
      bytes.append(#","sources":"#)
      bytes.append(JSON(array: sources.map { JSON(object: ["type": JSON("url"), "url": $0]) }))
    }
    bytes.append("}")
  }

  // MARK: Calls of OpenAI's own tools

  /// What the model wants done, in the form of the tool; nil where the input lacks what that form must have.
  private var action: JSON? {
    guard case .localCall(let type) = kind, let given = try? JSON.parse(input.slice) else { return nil }
    return LocalCall.action(of: type, given)
  }

  /// Its input doesn't fit the form that OpenAI has for such a call.
  var isOfAnotherForm: Bool { action == nil }
}
