// SPDX-License-Identifier: MIT
import Jansson
import Records

extension MessagesRequest {
  /// Refuses what the API refuses and the CLI would mend without a word, where it makes the turns itself.
  ///
  /// Seen: it leaves empty turns and those of thinking alone out and joins their neighbours, makes results up for calls
  /// that have none, and takes out results that have no call.
  ///
  /// - Throws: the API's own error.
  package func checkTurns() throws(APIError) {
    let messages = body["messages"]!
    var calls = OpenCalls()
    for (index, message) in messages.elements.enumerated() {
      let role = message["role"]!
      if role.equals("system") { continue }
      let isUser = role.equals("user")
      let content = message["content"]!
      if isUser { calls.answer() } else { try calls.speak() }
      try Self.checkContent(content, "messages.\(index)", mayBeEmpty: !isUser && index == messages.count - 1)
      for (place, block) in content.elements.enumerated() {
        let path = "messages.\(index).content.\(place)"
        try Self.checkImages(block, path)
        if isUser { try calls.take(result: block, path) } else { try calls.take(call: block, path, in: index) }
      }
    }
    try calls.end()
  }

  private static func checkContent(_ content: JSON, _ path: String, mayBeEmpty: Bool) throws(APIError) {
    let isEmpty = content.isString ? content.equals("") : content.count == 0
    guard !isEmpty else {
      if mayBeEmpty { return }
      throw wrong(path, "all messages must have non-empty content except for the optional final assistant message")
    }
    if let text = content.string {
      if !hasInk(text) { throw .invalid("messages: text content blocks must contain non-whitespace text", param: path) }
      return
    }
    for (place, block) in content.elements.enumerated() where block["type"]?.equals("text") == true {
      guard let text = block["text"]?.string else { continue }
      if text.isEmpty { throw wrong("\(path).content.\(place).text", "text content blocks must be non-empty") }
      if !hasInk(text) {
        throw wrong("\(path).content.\(place).text", "text content blocks must contain non-whitespace text")
      }
    }
    let last = content[content.count - 1]["type"]
    let isThinking = content.elements.allSatisfy {
      $0["type"]?.equals("thinking") == true || $0["type"]?.equals("redacted_thinking") == true
    }
    if isThinking, let last = last?.string {
      throw wrong(path, "The final block in an assistant message cannot be `\(last)`.")
    }
  }

  private static func hasInk(_ text: String) -> Bool { text.unicodeScalars.contains { !$0.properties.isWhitespace } }

  /// The largest image that the API takes, in bytes of its base64; the CLI stops at a larger one without asking.
  private static let largestImage = 5 << 20

  private static func checkImages(_ block: JSON, _ path: String) throws(APIError) {
    if block["type"]?.equals("image") == true, let source = block["source"], source["type"]?.equals("base64") == true {
      let size = source["data"]?.withUTF8 { $0.count } ?? 0
      guard size > largestImage else { return }
      throw wrong(
        "\(path).image.source.base64", "image exceeds 5 MB maximum: \(size) bytes > \(largestImage) bytes")
    }
    guard block["type"]?.equals("tool_result") == true, let content = block["content"], content.isArray else { return }
    for (place, part) in content.elements.enumerated() {
      try checkImages(part, "\(path).tool_result.content.\(place)")
    }
  }
}

/// The tool calls that wait for their results while the turns are gone through.
private struct OpenCalls {
  /// Every call so far.
  private var known: Set<String> = []
  /// Those of the turns that the assistant spoke last, in their order, and where the last of these stands.
  private var asked: [String] = []
  private var place = 0
  private var missing: Set<String> = []
  private var answered: Set<String> = []
  private var isAnswering = false

  mutating func answer() { isAnswering = true }

  mutating func speak() throws(APIError) {
    guard isAnswering else { return }
    try end()
    (asked, missing, answered, isAnswering) = ([], [], [], false)
  }

  mutating func take(call block: JSON, _ path: String, in message: Int) throws(APIError) {
    guard block["type"]?.equals("tool_use") == true, let id = block["id"]?.string else { return }
    guard known.insert(id).inserted else { throw MessagesRequest.wrong(path, "`tool_use` ids must be unique") }
    asked.append(id)
    missing.insert(id)
    place = message
  }

  mutating func take(result block: JSON, _ path: String) throws(APIError) {
    guard block["type"]?.equals("tool_result") == true, let id = block["tool_use_id"]?.string else { return }
    if missing.remove(id) != nil {
      answered.insert(id)
    } else if answered.contains(id) {
      throw MessagesRequest.wrong(
        path, "each tool_use must have a single result. Found multiple `tool_result` blocks with id: \(id)")
    } else {
      throw MessagesRequest.wrong(
        path,
        "unexpected `tool_use_id` found in `tool_result` blocks: \(id). Each `tool_result` block must have a "
          + "corresponding `tool_use` block in the previous message.")
    }
  }

  /// The turn that may hold results is over.
  func end() throws(APIError) {
    guard !missing.isEmpty else { return }
    let ids = asked.filter { missing.contains($0) }.prefix(16).joined(separator: ", ")
    throw MessagesRequest.wrong(
      "messages.\(place)",
      "`tool_use` ids were found without `tool_result` blocks immediately after: \(ids). Each `tool_use` block must "
        + "have a corresponding `tool_result` block in the next message.")
  }
}
