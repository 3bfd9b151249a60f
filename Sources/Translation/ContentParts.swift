// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

/// Makes content blocks of content parts.
struct ContentParts {
  private let textType = JSON("text")
  private let imageType = JSON("image")
  private let base64Type = JSON("base64")
  var loss = LossLedger()

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
    guard content.isArray else { throw .invalid("\(path): is neither a string nor an array", param: path) }
    var blocks: [JSON] = []
    for (index, part) in content.elements.enumerated() {
      if let block = try block(part, path: "\(path)[\(index)]", of: speaker) { blocks.append(block) }
    }
    return blocks
  }

  /// Who says a part: not everyone can say all of them.
  enum Speaker: String { case user, assistant, system, tool }

  private static let speakers: [String: Set<Speaker>] = [
    "image_url": [.user, .tool], "file": [.user, .tool], "image": [.user, .tool], "document": [.user, .tool],
    "search_result": [.user, .tool], "tool_result": [.user], "container_upload": [.user], "tool_use": [.assistant],
    "thinking": [.assistant], "redacted_thinking": [.assistant],
  ]

  private mutating func block(_ part: JSON, path: String, of speaker: Speaker) throws(APIError) -> JSON? {
    if part.isString { return text(part, nil) }
    guard part.isObject, let type = part["type"]?.string else {
      throw .invalid("\(path).type: Field required", param: "\(path).type")
    }
    guard Self.speakers[type]?.contains(speaker) ?? true else {
      throw .invalid(
        "\(path).type: \(type) can't stand in a message of role \(speaker.rawValue)", param: "\(path).type")
    }
    if Self.native.contains(type) { return part }
    let mark = mark(of: part)
    switch type {
    case "text":
      guard let words = part["text"], words.isString else {
        throw .invalid("\(path).text: Field required", param: "\(path).text")
      }
      return text(words, mark)
    case "refusal":
      guard let words = part["refusal"], words.isString else {
        throw .invalid("\(path).refusal: Field required", param: "\(path).refusal")
      }
      return text(words, mark)
    case "image_url": return try image(part, mark, path: "\(path).image_url")
    case "file": return try file(part, mark, path: "\(path).file")
    case "input_audio": throw .invalid("\(path): sound can't be taken", param: path)
    default:
      throw .invalid(
        "\(path).type is \(type); expected text, image_url, file or refusal", param: "\(path).type")
    }
  }

  /// The part's cache mark, Anthropic's own or OpenAI's; and what else it carries, for the ledger.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>
  private mutating func mark(of part: JSON) -> JSON? {
    // Nearly every part is a type and one more member.
    if part.count == 2 { return nil }
    for (name, value) in part.members where !Self.handled.contains(name) && !value.isNull {
      loss.add("messages.content.\(name)", "dropped", isKnown: false)
    }
    if let own = part["cache_control"], !own.isNull { return own }
    guard let breakpoint = part["prompt_cache_breakpoint"], !breakpoint.isNull else { return nil }
    // OpenAI's shortest lifetime is half an hour; of Anthropic's two the hour holds that.
    loss.approximated("messages.content.prompt_cache_breakpoint", "a cache mark of one hour")
    return JSON(object: ["type": JSON("ephemeral"), "ttl": JSON("1h")])
  }

  private static let handled: Set<String> = [
    "type", "text", "refusal", "image_url", "file", "input_audio", "cache_control", "prompt_cache_breakpoint",
  ]

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

  private mutating func image(_ part: JSON, _ mark: JSON?, path: String) throws(APIError) -> JSON {
    let given = part["image_url"]
    guard let url = given?.isString == true ? given : given?["url"], url.isString else {
      throw .invalid("\(path).url: Field required", param: "\(path).url")
    }
    if let detail = given?["detail"], !detail.isNull, !detail.equals("auto") {
      loss.dropped("messages.content.image_url.detail")
    }
    note(given, known: ["url", "detail"], "messages.content.image_url")
    let block = JSON.object
    block["type"] = imageType
    block["source"] = try source(url, types: TranslationLimits.imageTypes, path: "\(path).url")
    if let mark, !mark.isNull { block["cache_control"] = mark }
    return block
  }

  /// Puts the members that no table knows into the ledger.
  private mutating func note(_ object: JSON?, known: Set<String>, _ path: String) {
    guard let object, object.isObject else { return }
    for (name, value) in object.members where !known.contains(name) && !value.isNull {
      loss.add("\(path).\(name)", "dropped", isKnown: false)
    }
  }

  /// A URL as the source of an image or a document.
  private func source(_ url: JSON, types: [String], path: String) throws(APIError) -> JSON {
    switch DataURL(url) {
    case .web: return JSON(object: ["type": JSON("url"), "url": url])
    case .data(let type, let base64):
      guard types.contains(type) else {
        throw .invalid(
          "\(path): the type \(type) can't be taken; expected \(types.joined(separator: ", "))", param: path)
      }
      return JSON(object: ["type": base64Type, "media_type": JSON(type), "data": base64])
    case .other:
      throw .invalid("\(path): expected a data: URL in base64 or an http(s) URL", param: path)
    }
  }

  private mutating func file(_ part: JSON, _ mark: JSON?, path: String) throws(APIError) -> JSON {
    guard let file = part["file"], file.isObject else { throw .invalid("\(path): Field required", param: path) }
    let block = JSON(object: ["type": JSON("document")])
    if let id = file["file_id"], id.isString {
      block["source"] = JSON(object: ["type": JSON("file"), "file_id": id])
    } else if let data = file["file_data"], data.isString {
      block["source"] = try document(data, path: "\(path).file_data")
    } else {
      throw .invalid("\(path).file_data: Field required", param: "\(path).file_data")
    }
    if let name = file["filename"], name.isString { block["title"] = name }
    note(file, known: ["file_id", "file_data", "filename"], "messages.content.file")
    if let mark, !mark.isNull { block["cache_control"] = mark }
    return block
  }

  private func document(_ data: JSON, path: String) throws(APIError) -> JSON {
    switch DataURL(data) {
    case .web: return JSON(object: ["type": JSON("url"), "url": data])
    case .data("application/pdf", let base64):
      return JSON(object: ["type": base64Type, "media_type": JSON("application/pdf"), "data": base64])
    case .data(let type, let base64) where type.hasPrefix("text/"):
      guard let text = base64.withUTF8(Base64.decode) ?? nil, UTF8Check.isValid(text.withUnsafeBufferPointer { $0 })
      else {
        throw .invalid("\(path): is not base64 of UTF-8 text", param: path)
      }
      return JSON(object: [
        "type": textType, "media_type": JSON("text/plain"), "data": JSON(String(decoding: text, as: UTF8.self)),
      ])
    case .data(let type, _):
      throw .invalid("\(path): the type \(type) can't be taken; expected application/pdf or text", param: path)
    case .other:
      throw .invalid("\(path): expected a data: URL in base64", param: path)
    }
  }
}

/// A URL as far as it matters here.
///
/// - SeeAlso: RFC 2397
enum DataURL {
  case web
  case data(type: String, base64: JSON)
  case other

  init(_ url: JSON) {
    if url.hasPrefix("https://") || url.hasPrefix("http://") {
      self = .web
      return
    }
    // The head is short; the data behind the comma may be many megabytes, and is only handed on.
    guard let (head, data) = url.split(at: UInt8(ascii: ",")), head.hasPrefix("data:") else {
      self = .other
      return
    }
    let parts = head.dropFirst(5).split(separator: ";", omittingEmptySubsequences: false)
    guard parts.count >= 2, parts.last == "base64" else {
      self = .other
      return
    }
    var type = parts[0].lowercased()
    if type == "image/jpg" { type = "image/jpeg" }
    self = .data(type: type, base64: data)
  }
}

/// RFC 4648 section 4, and no more of it than reading.
enum Base64 {
  /// The bytes; nil where it is no base64. Line breaks and missing padding are forgiven.
  static func decode(_ text: ByteSlice) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var bits: UInt32 = 0
    var held = 0
    for byte in text {
      let value: UInt8
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - 65
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - 71
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte + 4
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "="), UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
      default: return nil
      }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> held))
      }
    }
    return bytes
  }
}
