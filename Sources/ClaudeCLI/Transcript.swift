// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// A conversation in the CLI's own form: one line a turn, each naming the one before.
package struct Transcript: ~Copyable {
  private var bytes = Bytes()
  /// The id of the last line, which the CLI is told to go on from.
  package private(set) var last: String
  /// The request's system text, with what stood among the messages.
  package private(set) var system: [String] = []
  package private(set) var losses: [Loss] = []
  /// Where the last message is the beginning of the answer: its index.
  package private(set) var prefill: Int?

  private let model: String
  private let makeID: () -> String
  private var isFirst = true

  /// - Parameters:
  ///   - makeID: gives a new UUID at each call.
  package init(_ request: MessagesRequest, makeID: @escaping () -> String) {
    model = request.model.text
    self.makeID = makeID
    last = ""
    takeSystem(request.body["system"])
    let messages = request.body["messages"]!
    // Two user lines in a row would be joined by the CLI, with a line break between their texts.
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
      } else {
        endUserTurn(&turn)
        assistant(content)
      }
    }
    endUserTurn(&turn)
    let end = messages.count - 1
    if messages[end]["role"]!.equals("assistant") { prefill = end }
  }

  /// Hands over the lines.
  package mutating func take() -> Bytes { bytes.take() }

  // MARK: System text

  private mutating func takeSystem(_ value: JSON?) {
    guard let value, !value.isNull else { return }
    addSystem(value, "system")
    if value.isArray, value.count > 1 { losses.append(Loss("system", "joined from \(value.count) blocks")) }
  }

  private mutating func addSystem(_ value: JSON, _ field: String) {
    if let text = value.string {
      if !text.isEmpty { system.append(text) }
      return
    }
    var hadMark = false
    for (index, block) in value.elements.enumerated() {
      guard block["type"]?.equals("text") == true, let text = block["text"]?.string else {
        losses.append(Loss("\(field)[\(index)]", "dropped"))
        continue
      }
      if !text.isEmpty { system.append(text) }
      if let mark = block["cache_control"], !mark.isNull { hadMark = true }
    }
    if hadMark { losses.append(Loss("\(field).cache_control", "dropped")) }
  }

  // MARK: Lines

  private mutating func endUserTurn(_ turn: inout [JSON]) {
    guard !turn.isEmpty else { return }
    beginLine("user")
    bytes.append(#""message":{"role":"user","content":"#)
    if turn.count == 1 {
      bytes.append(turn[0])
    } else {
      bytes.append(JSON(array: turn.flatMap { Self.blocks($0) }))
    }
    bytes.append("}}\n")
    turn = []
  }

  private mutating func assistant(_ content: JSON) {
    let id = beginLine("assistant")
    // Without the request's own model on it, the CLI leaves thinking out.
    bytes.append(#""message":{"role":"assistant","type":"message","model":"#)
    bytes.append(quoted: model)
    bytes.append(#","id":"msg_"#)
    bytes.append(text: id.filter { $0 != "-" })
    bytes.append(#"","content":"#)
    bytes.append(content.isArray ? content : JSON(array: Self.blocks(content)))
    bytes.append("}}\n")
  }

  @discardableResult
  private mutating func beginLine(_ type: StaticString) -> String {
    let id = makeID()
    bytes.append(#"{"type":""#)
    bytes.append(type)
    bytes.append(#"","uuid":""#)
    bytes.append(text: id)
    bytes.append(#"","parentUuid":"#)
    if isFirst { bytes.append("null") } else { bytes.append(quoted: last) }
    bytes.append(",")
    isFirst = false
    last = id
    return id
  }

  /// Content as a list of blocks.
  private static func blocks(_ content: JSON) -> [JSON] {
    content.isArray ? Array(content.elements) : [JSON(object: ["type": JSON("text"), "text": content])]
  }

  // MARK: What the CLI doesn't carry

  private mutating func noteExtras(_ message: JSON, _ index: Int) {
    for (key, _) in message.members where key != "role" && key != "content" {
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
}
