// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// A request's conversation as the CLI takes one by its own means: turns, and one system text for all of it.
package struct Conversation {
  package struct Turn {
    package var isUser: Bool
    /// Text or blocks, as the client wrote them; the CLI is told blocks alone where the assistant speaks.
    package var content: JSON
  }

  package private(set) var turns: [Turn] = []
  /// The request's system text, with what stood among the messages.
  package private(set) var system: [String] = []
  /// What the CLI doesn't take as it is.
  package private(set) var losses: [Loss] = []
  /// Where the last message is the beginning of the answer: its index.
  package private(set) var prefill: Int?

  init() {}

  mutating func add(_ turn: Turn) { turns.append(turn) }

  /// Adds a value, written out, to the system text.
  mutating func addText(of value: JSON) {
    var bytes = Bytes()
    bytes.append(value)
    system.append(bytes.text)
  }

  package init(_ request: MessagesRequest) {
    takeSystem(request.body["system"])
    let messages = request.body["messages"]!
    // Two user turns in a row would be joined by the CLI, with a line break between their texts.
    var turn: [JSON] = []
    for (index, message) in messages.elements.enumerated() {
      noteExtras(message, index)
      let content = message["content"]!
      if message["role"]!.equals("user") {
        noteImagesInErrors(content, index)
        turn.append(content)
      } else if message["role"]!.equals("system") {
        losses.append(Loss("messages[\(index)]", "moved to system"))
        addSystem(content, "messages[\(index)].content")
      } else if Self.isPlaceholder(content) || Self.isEmpty(content), !turns.isEmpty || !turn.isEmpty {
        losses.append(Loss("messages[\(index)]", "dropped"))
      } else {
        endUserTurn(&turn)
        noteMarksOfCalls(content, index)
        turns.append(Turn(isUser: false, content: content))
      }
    }
    endUserTurn(&turn)
    if system.count == 1, Contract.identities.contains(system[0]) {
      // Seen: it would take the place of the CLI's own.
      losses.append(Loss("system", "dropped, for the CLI says itself who it is"))
      system = []
    }
    let end = messages.count - 1
    let last = messages[end]["content"]!
    if messages[end]["role"]!.equals("assistant"), !Self.isPlaceholder(last), !Self.isEmpty(last) { prefill = end }
  }

  private mutating func endUserTurn(_ turn: inout [JSON]) {
    guard !turn.isEmpty else { return }
    turns.append(
      Turn(isUser: true, content: turn.count == 1 ? turn[0] : JSON(array: turn.flatMap { Self.blocks($0) })))
    turn = []
  }

  /// Content as a list of blocks.
  static func blocks(_ content: JSON) -> [JSON] {
    content.isArray ? Array(content.elements) : [JSON(object: ["type": JSON("text"), "text": content])]
  }

  // MARK: System text

  mutating func takeSystem(_ value: JSON?) {
    guard let value, !value.isNull else { return }
    addSystem(value, "system")
    if value.isArray, value.count > 1 { losses.append(Loss("system", "joined from \(value.count) blocks")) }
  }

  private mutating func addSystem(_ value: JSON, _ field: String) {
    if let text = value.string { return addSystem(text: text, field) }
    var hadMark = false
    for (index, block) in value.elements.enumerated() {
      guard block["type"]?.equals("text") == true, let text = block["text"]?.string else {
        losses.append(Loss("\(field)[\(index)]", "dropped"))
        continue
      }
      addSystem(text: text, "\(field)[\(index)]")
      if let mark = block["cache_control"], !mark.isNull { hadMark = true }
    }
    if hadMark { losses.append(Loss("\(field).cache_control", "dropped")) }
  }

  /// Seen: a text that begins like the CLI's own attribution takes its place. Another program's is not the CLI's.
  private mutating func addSystem(text: String, _ field: String) {
    var rest = text[...]
    // Line by line, and without a copy of what follows each.
    while system.isEmpty, rest.hasPrefix(Contract.attribution) {
      rest = rest.drop { !$0.isNewline }.drop { $0.isNewline }
    }
    if rest.startIndex > text.startIndex {
      losses.append(Loss(field, "dropped its first line, another client's attribution"))
    }
    if !rest.isEmpty { system.append(String(rest)) }
  }

  // MARK: What the CLI doesn't carry

  /// Whether a turn of the model's is what the CLI itself writes where one is empty.
  ///
  /// Seen: it leaves such a turn out, and joins the texts of the turns around it.
  private static func isPlaceholder(_ content: JSON) -> Bool {
    var text = content.string
    if content.isArray, content.count == 1, content[0]["type"]?.equals("text") == true {
      text = content[0]["text"]?.string
    }
    guard let text else { return false }
    // Without a list of its characters, each of which takes sixteen bytes.
    var rest = text.drop { $0.isWhitespace }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest == "(no content)"
  }

  private static func isEmpty(_ content: JSON) -> Bool { content.isString ? content.equals("") : content.count == 0 }

  private mutating func noteExtras(_ message: JSON, _ index: Int) {
    for (key, value) in message.members where key != "role" && key != "content" && !value.isNull {
      losses.append(Loss("messages[\(index)].\(key)", "dropped"))
    }
  }

  private mutating func noteImagesInErrors(_ content: JSON, _ index: Int) {
    for (place, block) in content.elements.enumerated()
    where block["type"]?.equals("tool_result") == true && block["is_error"]?.bool == true {
      if block["content"]?.elements.contains(where: { $0["type"]?.equals("image") == true }) == true {
        losses.append(Loss("messages[\(index)].content[\(place)].content", "dropped images of an error"))
      }
    }
  }

  /// Seen: the CLI writes a call anew, without its mark.
  private mutating func noteMarksOfCalls(_ content: JSON, _ index: Int) {
    for (place, block) in content.elements.enumerated() where block["type"]?.equals("tool_use") == true {
      if let mark = block["cache_control"], !mark.isNull {
        losses.append(Loss("messages[\(index)].content[\(place)].cache_control", "dropped"))
      }
    }
  }
}
