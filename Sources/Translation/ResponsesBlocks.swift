// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// What becomes of the blocks of a message.
///
/// Blocks of text that stand side by side are one text of one message, as OpenAI's own answers have it: clients take
/// the last part of a message for all of it. Each block of thinking is an item of its own, sealed by itself, so that
/// its place among the calls comes back with it.
extension ResponsesAnswer {
  func open(_ content: JSON, at index: Int?, to out: inout Output) {
    let type = content["type"]?.string
    switch type {
    case "text":
      let block = blocks.open(.text, content, at: index)
      join(block, to: &out)
      say(content["text"], of: block, to: &out)
      block.citations = content["citations"]?.elements.map { $0 } ?? []
      findTextTarget()
    case "thinking", "redacted_thinking":
      let block = blocks.open(type == "thinking" ? .thinking : .redacted, content, at: index)
      show(add(.reasoning, "rs", block: block, to: &out), to: &out)
      think(content["thinking"], of: block, to: &out)
    case "tool_use": openCall(content, at: index, to: &out)
    case "server_tool_use" where content["name"]?.equals("web_search") == true:
      let block = blocks.open(.search, content, at: index)
      let item = add(.webSearch, "ws", block: block, to: &out)
      // The other part of it is its result.
      item.openBlocks += 1
      searches[content["id"]?.string ?? ""] = item
      show(item, to: &out)
      event("response.web_search_call.in_progress", of: item, to: &out)
    case "web_search_tool_result": takeResult(content, at: index, to: &out)
    case "compaction":
      let block = blocks.open(.compaction, content.shallowCopy(), at: index)
      _ = add(.compaction, "cmp", block: block, to: &out)
    default:
      let block = blocks.open(.other, content, at: index)
      say(content["text"], of: block, to: &out)
      loss.dropped("content." + Self.name(type))
    }
  }

  private func openCall(_ content: JSON, at index: Int?, to out: inout Output) {
    let block = blocks.open(.tool, content, at: index)
    block.input = clientTools.input(of: content)
    let names = clientTools.names(of: content)
    let (kind, mark): (ResponseItem.Kind, String) =
      switch names.item {
      case "local_shell_call": (.localCall("local_shell_call"), "lsh")
      case "shell_call": (.localCall("shell_call"), "sh")
      case "apply_patch_call": (.localCall("apply_patch_call"), "apc")
      default: names.isCustom ? (.customCall, "ctc") : (.functionCall, "fc")
      }
    let item = add(kind, mark, block: block, to: &out)
    (item.block, item.name, item.namespace) = (content, names.name, names.namespace)
    if let caller = content["caller"]?["type"], !caller.equals("direct") { loss.dropped("content.tool_use.caller") }
    // The others can be told only when all of their input is there.
    if case .localCall = kind { return }
    show(item, to: &out)
  }

  private func takeResult(_ content: JSON, at index: Int?, to out: inout Output) {
    _ = blocks.open(.other, content, at: index)
    guard let item = searches.removeValue(forKey: content["tool_use_id"]?.string ?? "") else {
      return loss.dropped("content.web_search_tool_result")
    }
    let results = content["content"] ?? .null
    item.sources = results.elements.compactMap { $0["url"].flatMap { $0.isString ? $0 : nil } }
    item.status = results.isArray ? "completed" : "failed"
    loss.approximated("content.web_search_tool_result", "the addresses alone are kept")
    if results.isArray { event("response.web_search_call.completed", of: item, to: &out) }
    release(item, to: &out)
  }

  /// Puts a block's text into the message at hand.
  private func join(_ block: StreamedBlock, to out: inout Output) {
    let item = message(for: block, to: &out)
    show(item, to: &out)
    showText(of: item, to: &out)
    item.lane.append(block)
    if item.lane.first === block { block.start = item.text.count }
  }

  // MARK: Parts of blocks

  func say(_ text: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let text, text.isString, text != JSON("") else { return }
    if let block, block.isText {
      if block.item == nil { join(block, to: &out) }
      guard let item = block.item else { return }
      if item.lane.first !== block { return block.text.append(contentsOf: text) }
      _ = text.withUTF8 { show($0, in: item, to: &out) }
    } else {
      let item = message(for: nil, to: &out)
      show(item, to: &out)
      showText(of: item, to: &out)
      _ = text.withUTF8 { show($0, in: item, to: &out) }
    }
  }

  private func show(_ text: ByteSlice, in item: ResponseItem, to out: inout Output) {
    delta("response.output_text.delta", #","content_index":0"#, text, in: item, end: #","logprobs":[]"#, to: &out)
  }

  /// Adds to an item's text, and writes the event that says so.
  private func delta(
    _ type: StaticString, _ part: StaticString, _ text: ByteSlice, in item: ResponseItem, end: StaticString = "",
    to out: inout Output
  ) {
    guard !text.isEmpty else { return }
    let start = item.text.count
    item.text.append(escaped: text)
    event(type, of: item, part: part, to: &out) {
      $0.append(#","delta":""#)
      $0.append(item.text.slice.cut(start, item.text.count))
      $0.append("\"")
      $0.append(end)
    }
  }

  func think(_ words: JSON?, of block: StreamedBlock?, to out: inout Output) {
    guard let words, words.isString, words != JSON("") else { return }
    let item: ResponseItem
    if let block, case .thinking = block.kind, let own = block.item {
      block.text.append(contentsOf: words)
      item = own
    } else {
      item = reasoning(to: &out)
    }
    guard note.summarizes else { return }
    if item.text.isEmpty {
      event("response.reasoning_summary_part.added", of: item, part: #","summary_index":0"#, to: &out) {
        $0.append(#","part":{"type":"summary_text","text":""}"#)
      }
    }
    _ = words.withUTF8 {
      delta("response.reasoning_summary_text.delta", #","summary_index":0"#, $0, in: item, to: &out)
    }
  }

  func feed(_ input: borrowing Bytes, of block: StreamedBlock, isEnd: Bool, to out: inout Output) {
    guard let item = block.item else { return }
    guard let way = block.input else { return take(input: input.slice, of: item, to: &out) }
    var text = Bytes()
    way.feed(input.slice, to: &text)
    if isEnd { way.finish(to: &text) }
    take(input: text.slice, of: item, to: &out)
  }

  func take(input: ByteSlice, of item: ResponseItem, to out: inout Output) {
    switch item.kind {
    case .functionCall: delta("response.function_call_arguments.delta", "", input, in: item, to: &out)
    case .customCall: delta("response.custom_tool_call_input.delta", "", input, in: item, to: &out)
    case .webSearch, .localCall, .message, .reasoning, .compaction: item.input.append(input)
    }
  }

  func cite(_ citation: JSON, of block: StreamedBlock?) {
    // Where its text ends is known when the block is over.
    if let block, block.isText { block.citations.append(citation) } else { loss.dropped("content.citations") }
  }

  func takeOther(_ delta: JSON, of block: StreamedBlock?) -> Bool {
    guard let block, case .compaction = block.kind, delta["type"]?.equals("compaction_delta") == true else {
      return false
    }
    for (name, value) in delta.members where name != "type" && !value.isNull { block.content[name] = value }
    return true
  }

  // MARK: Ends of blocks

  func close(_ block: StreamedBlock, to out: inout Output) {
    guard let item = block.item else { return }
    switch block.kind {
    case .text, .other:
      closeText(in: item, to: &out)
      release(item, to: &out)
      findTextTarget()
      return
    case .thinking, .redacted, .compaction: item.sealed = [block.whole]
    case .search: event("response.web_search_call.searching", of: item, to: &out)
    case .tool: break
    }
    release(item, to: &out)
  }

  /// Shows what waited for the end of the text before it.
  private func closeText(in item: ResponseItem, to out: inout Output) {
    while let first = item.lane.first, first.isOver {
      item.lane.removeFirst()
      annotate(first, in: item, to: &out)
      guard let next = item.lane.first else { return }
      next.start = item.text.count
      show(next.text.slice, in: item, to: &out)
      next.text.removeAll(keeping: 0)
    }
  }

  /// Writes a block's citations as annotations of the text that it added to the message.
  ///
  /// OpenAI has a form for links; it counts characters, which are Unicode's code points.
  private func annotate(_ block: StreamedBlock, in item: ResponseItem, to out: inout Output) {
    guard !block.citations.isEmpty else { return }
    let first = item.characters(upTo: block.start)
    let end = item.characters(upTo: item.text.count)
    for citation in block.citations {
      let url = citation["url"] ?? citation["source"]
      guard let url, let text = url.string, text.hasPrefix("https://") || text.hasPrefix("http://") else {
        loss.dropped("content.citations")
        continue
      }
      loss.approximated("content.citations", "links without the words that were cited")
      let start = item.annotations.count
      item.annotations.append(#"{"type":"url_citation","start_index":"#)
      item.annotations.append(decimal: first)
      item.annotations.append(#","end_index":"#)
      item.annotations.append(decimal: end)
      item.annotations.append(#","url":"#)
      item.annotations.append(url)
      item.annotations.append(#","title":"#)
      item.annotations.append(citation["title"].flatMap { $0.isString ? $0 : nil } ?? JSON(""))
      item.annotations.append("}")
      event("response.output_text.annotation.added", of: item, part: #","content_index":0"#, to: &out) {
        $0.append(#","annotation_index":"#)
        $0.append(decimal: item.annotationCount)
        $0.append(#","annotation":"#)
        $0.append(item.annotations.slice.cut(start, item.annotations.count))
      }
      item.annotationCount += 1
      item.annotations.append(",")
    }
  }
}
