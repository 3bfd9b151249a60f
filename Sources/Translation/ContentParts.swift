// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

/// Makes content blocks of content parts.
struct ContentParts {
  private let textType = JSON("text")
  private let expected: String
  /// Where the parts stand, as the ledger has it.
  var field: String
  var loss = LossLedger()
  /// Some block may have a cache mark. In most requests none has, and then nobody needs to look.
  var mayHaveMarks = false

  init(_ names: FieldNames) {
    field = names.content
    expected = names.parts
  }

  /// A text block; nil for text that has nothing to see, which the Messages API refuses.
  func text(_ text: JSON, _ mark: JSON?) -> JSON? {
    guard text.hasVisibleText else { return nil }
    let block = JSON.object
    block["type"] = textType
    block["text"] = text
    if let mark, !mark.isNull { block["cache_control"] = mark }
    return block
  }

  /// The blocks of a message's `content`, a string or parts.
  mutating func blocks(_ content: JSON, path: String, of speaker: Speaker) throws(APIError) -> [JSON] {
    if content.isString { return text(content, nil).map { [$0] } ?? [] }
    guard content.isArray else { throw .expected("a string or an array", at: path, got: content) }
    var blocks: [JSON] = []
    for (index, part) in content.elements.enumerated() {
      if let block = try block(part, path: "\(path)[\(index)]", of: speaker) {
        blocks.append(block)
      } else if let mark = part["cache_control"] ?? part["prompt_cache_breakpoint"], !mark.isNull {
        keepMark(of: part, in: &blocks)
      }
    }
    return blocks
  }

  /// A mark on text that isn't sent caches what comes before it, and so does one on the block before.
  private mutating func keepMark(of part: JSON, in blocks: inout [JSON]) {
    guard let last = blocks.last, CacheMarks.mayStand(on: last) else {
      return loss.dropped("\(field).cache_control")
    }
    guard last["cache_control"] == nil, let mark = mark(of: part) else { return }
    let copy = last.shallowCopy()
    copy["cache_control"] = mark
    blocks[blocks.count - 1] = copy
  }

  /// Who says a part: not everyone can say all of them.
  enum Speaker: String { case user, assistant, system, tool }

  private static let speakers: [String: Set<Speaker>] = [
    "image_url": [.user, .tool], "file": [.user, .tool], "image": [.user, .tool], "document": [.user, .tool],
    "input_image": [.user, .tool], "input_file": [.user, .tool],
    "search_result": [.user, .tool], "tool_result": [.user], "container_upload": [.user], "tool_use": [.assistant],
    "thinking": [.assistant], "redacted_thinking": [.assistant],
  ]

  private mutating func block(_ part: JSON, path: String, of speaker: Speaker) throws(APIError) -> JSON? {
    if part.isString { return text(part, nil) }
    guard part.isObject else { throw .expected("an object", at: path, got: part) }
    guard let type = part["type"]?.string else {
      throw .expected("a string", at: "\(path).type", got: part["type"])
    }
    guard Self.speakers[type]?.contains(speaker) ?? true else {
      throw .invalid(
        "\(path).type: \(type) can't stand in a message of role \(speaker.rawValue)", param: "\(path).type")
    }
    if Self.native.contains(type) {
      mayHaveMarks = true
      return try native(part, type, path: path)
    }
    let mark = mark(of: part)
    switch type {
    // The second and third are the Responses API's names, which some clients use here too.
    case "text", "input_text", "output_text": return text(try words("text", of: part, path), mark)
    case "refusal": return text(try words("refusal", of: part, path), mark)
    case "image_url", "input_image": return try image(part, mark, path: path)
    case "file": return try file(part["file"], mark, path: "\(path).file")
    case "input_file": return try file(part, mark, path: path)
    case "input_audio": throw .invalid("\(path): sound can't be taken", param: path)
    default:
      throw .invalid(
        "\(path).type is \(type.clipped); expected \(expected)", param: "\(path).type")
    }
  }

  private func words(_ name: StaticString, of part: JSON, _ path: String) throws(APIError) -> JSON {
    guard let words = part[name], words.isString else {
      throw .expected("a string", at: "\(path).\(name)", got: part[name])
    }
    return words
  }

  /// The part's cache mark, Anthropic's own or OpenAI's; and what else it carries, for the ledger.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>
  private mutating func mark(of part: JSON) -> JSON? {
    // Nearly every part is a type and one more member.
    if part.count == 2 { return nil }
    let isFlat = part["type"]?.equals("input_file") == true || part["type"]?.equals("input_image") == true
    for (name, value) in part.members where !Self.handled.contains(name) && !value.isEmpty {
      if !isFlat || !Self.flatMembers.contains(name) {
        loss.add("\(field).\(name)", "dropped", isKnown: Self.ofAnswers.contains(name))
      }
    }
    if let own = part["cache_control"], !own.isNull {
      mayHaveMarks = true
      return own
    }
    guard let breakpoint = part["prompt_cache_breakpoint"], !breakpoint.isNull else { return nil }
    mayHaveMarks = true
    // OpenAI's shortest lifetime is half an hour; of Anthropic's two the hour holds that.
    loss.approximated("\(field).prompt_cache_breakpoint", "a cache mark of one hour")
    return JSON(object: ["type": JSON("ephemeral"), "ttl": JSON("1h")])
  }

  private static let handled: Set<String> = [
    "type", "text", "refusal", "image_url", "file", "input_audio", "cache_control", "prompt_cache_breakpoint",
  ]
  /// What a text of an answer carries besides, and has no place in a request.
  private static let ofAnswers: Set<String> = ["annotations", "logprobs"]
  /// What the Responses API's parts carry beside their type.
  private static let flatMembers: Set<String> = ["detail", "file_id", "file_data", "file_url", "filename"]

  /// Anthropic's own blocks, which pass whole: what a client got, and gives back.
  ///
  /// - SeeAlso: `BetaContentBlockParam` of Anthropic's SDK
  private static let native: Set<String> = [
    "advisor_tool_result", "bash_code_execution_tool_result", "code_execution_tool_result", "compaction",
    "container_upload", "document", "fallback", "image", "mcp_tool_listing", "mcp_tool_result", "mcp_tool_use",
    "redacted_thinking", "search_result", "server_tool_use", "text_editor_code_execution_tool_result", "thinking",
    "tool_addition", "tool_removal", "tool_result", "tool_search_tool_result", "tool_use", "web_fetch_tool_result",
    "web_search_tool_result",
  ]

  /// One of Anthropic's blocks as it came, but for what the API would refuse.
  private mutating func native(_ block: JSON, _ type: String, path: String) throws(APIError) -> JSON? {
    switch type {
    case "image": return accepted(image: block)
    case "document": return accepted(document: block)
    case "tool_result":
      guard let content = block["content"], content.isArray else { return block }
      let copy = block.shallowCopy()
      let made = try results(content, path: "\(path).content")
      copy["content"] = made.isEmpty ? nil : JSON(array: made)
      return copy
    case "thinking" where block["signature"]?.string?.isEmpty != false:
      loss.dropped("\(field).thinking")
      return nil
    default: return block
    }
  }

  /// The content of a result in Anthropic's form, in which a client may mix OpenAI's parts.
  private mutating func results(_ content: JSON, path: String) throws(APIError) -> [JSON] {
    var made: [JSON] = []
    for (index, part) in content.elements.enumerated() {
      switch part["type"]?.string ?? "" {
      case "image": made.append(accepted(image: part))
      case "document": made.append(accepted(document: part))
      case "text" where part["text"]?.isString == true && part["text"]?.hasVisibleText == false:
        if let mark = part["cache_control"], !mark.isNull { keepMark(of: part, in: &made) }
      case "image_url", "input_image", "input_text", "output_text", "file", "input_file":
        if let block = try block(part, path: "\(path)[\(index)]", of: .tool) { made.append(block) }
      default: made.append(part)
      }
    }
    return made
  }

  /// Puts the members that no table knows into the ledger.
  mutating func note(_ object: JSON?, known: Set<String>, _ path: String) {
    guard let object, object.isObject else { return }
    for (name, value) in object.members where !known.contains(name) && !value.isEmpty {
      loss.add("\(path).\(name)", "dropped", isKnown: false)
    }
  }
}

extension JSON {
  /// Null or a container of nothing: leaving it out loses nothing.
  var isEmpty: Bool { isNull || ((isArray || isObject) && count == 0) }
}
