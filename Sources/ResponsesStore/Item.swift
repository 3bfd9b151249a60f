// SPDX-License-Identifier: MIT
import JSONText

/// An item of a conversation, as JSON text.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/input-items>
struct Item {
  let text: ByteSlice
  /// Its `id`; nil if it has none.
  private(set) var id: String?
  /// The `encrypted_content` of a reasoning item, a string with its quotes.
  private(set) var seal: ByteSlice?
  private(set) var type: ByteSlice?
  private(set) var role: ByteSlice?
  private(set) var content: ByteSlice?
  private var memberCount = 0
  /// Whether it has a member `encrypted_content`, of any type.
  private var hasSealMember = false

  /// Nil if the text is not an object.
  init?(_ text: ByteSlice) {
    guard text.first == UInt8(ascii: "{") else { return nil }
    self.text = text
    var members = (id: ByteSlice?.none, type: ByteSlice?.none, role: ByteSlice?.none)
    var (content, sealed, count) = (ByteSlice?.none, ByteSlice?.none, 0)
    Scan.members(text) { key, value in
      count += 1
      if key.equals("id") { members.id = value }
      if key.equals("type") { members.type = value }
      if key.equals("role") { members.role = value }
      if key.equals("content") { content = value }
      if key.equals("encrypted_content") { sealed = value }
      return true
    }
    id = members.id.flatMap { JSONString.text(of: $0) }
    (type, role) = (Scan.plainString(members.type), Scan.plainString(members.role))
    (self.content, memberCount) = (content, count)
    guard isReasoning, let sealed else { return }
    hasSealMember = true
    if sealed.first == UInt8(ascii: "\"") { seal = sealed }
  }

  var isReasoning: Bool { type?.equals("reasoning") == true }

  /// Whether it stands for an item of an earlier response.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/create#responses-create-input>
  var isReference: Bool {
    guard id != nil else { return false }
    if let type { return type.equals("item_reference") }
    // The type may be missing, or null.
    return role == nil && content == nil && memberCount <= 2
  }

  /// Whether it is reasoning whose seal the client did not get, and the file may have.
  var lacksSeal: Bool { isReasoning && seal == nil && id != nil }

  /// The prefix of an id for this kind of item.
  var prefix: StaticString {
    guard let type else { return "msg" }
    if type.equals("function_call") { return "fc" }
    if type.equals("function_call_output") { return "fco" }
    if type.equals("custom_tool_call") { return "ctc" }
    if type.equals("custom_tool_call_output") { return "ctco" }
    if type.equals("reasoning") { return "rs" }
    return type.equals("message") ? "msg" : "item"
  }

  /// Appends the item as it is kept: with that id, and without its seal, which is kept beside it.
  func append(withID id: String?, to bytes: inout Bytes) {
    guard hasSealMember || id != nil else { return bytes.append(text) }
    bytes.append("{")
    var isFirst = true
    if let id {
      bytes.append(#""id":"#)
      bytes.append(quoted: id)
      isFirst = false
    }
    Scan.members(text) { key, value in
      if hasSealMember, key.equals("encrypted_content") { return true }
      if id != nil, key.equals("id") { return true }
      if !isFirst { bytes.append(",") }
      isFirst = false
      bytes.append("\"")
      bytes.append(key)
      bytes.append("\":")
      bytes.append(value)
      return true
    }
    bytes.append("}")
  }

  /// Appends the item as a list of items shows it: a message has its type, its status, and its content in parts.
  func append(listedTo bytes: inout Bytes) {
    guard let role, type == nil || content?.first == UInt8(ascii: "\"") else { return bytes.append(text) }
    let isAnswer = role.equals("assistant")
    var (isFirst, hasStatus) = (true, false)
    bytes.append("{")
    Scan.members(text) { key, value in
      if key.equals("type") { return true }
      if key.equals("status") { hasStatus = true }
      if !isFirst { bytes.append(",") }
      isFirst = false
      bytes.append("\"")
      bytes.append(key)
      bytes.append("\":")
      guard key.equals("content"), value.first == UInt8(ascii: "\"") else {
        bytes.append(value)
        return true
      }
      bytes.append(isAnswer ? #"[{"type":"output_text","text":"# : #"[{"type":"input_text","text":"#)
      bytes.append(value)
      bytes.append(isAnswer ? #","annotations":[]}]"# : "}]")
      return true
    }
    if !hasStatus { bytes.append(#","status":"completed""#) }
    bytes.append(#","type":"message"}"#)
  }
}

extension Bytes {
  /// Appends a kept item, an object that isn't empty, with its seal if it has one.
  mutating func append(kept item: ByteSlice, seal: ByteSlice?) {
    guard let seal, item.count > 2 else { return append(item) }
    append(item.cut(0, item.count - 1))
    append(#","encrypted_content":"#)
    append(seal)
    append("}")
  }

  /// Appends a message of the user, from a JSON string.
  mutating func append(message text: ByteSlice, id: String? = nil) {
    append("{")
    if let id {
      append(#""id":"#)
      append(quoted: id)
      append(",")
    }
    append(#""type":"message","role":"user","content":[{"type":"input_text","text":"#)
    append(text)
    append("}]}")
  }
}

/// Strings in JSON text.
enum JSONString {
  /// The value of a JSON string; nil for any other value.
  static func text(of value: ByteSlice) -> String? {
    guard value.count >= 2, value[0] == UInt8(ascii: "\"") else { return nil }
    let inside = value.cut(1, value.count - 1)
    guard inside.offset(of: UInt8(ascii: "\\")) != nil else { return inside.text }
    var text = Bytes()
    return text.append(unescaped: inside) ? text.text : nil
  }

  /// Whether a key is that name. The key is the text between its quotes, and may have escapes.
  static func isKey(_ key: ByteSlice, _ name: StaticString) -> Bool {
    if key.equals(name) { return true }
    guard key.offset(of: UInt8(ascii: "\\")) != nil else { return false }
    var text = Bytes()
    return text.append(unescaped: key) && text.slice.equals(name)
  }
}

/// Counts the values of JSON text as ``JSONCheck`` does, without checking it.
enum NodeCount {
  static func of(_ text: ByteSlice) -> Int {
    var (count, at) = (0, 0)
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "\""):
        count += 1
        at = Scan.endOfString(text, at) ?? text.count
      case UInt8(ascii: "{"):
        count += JSONCheck.nodesOfAnObject
        at += 1
      case UInt8(ascii: "["):
        count += 1
        at += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D: at += 1
      default:
        count += 1
        at = Scan.endOfValue(text, at) ?? text.count
      }
    }
    return count
  }
}
