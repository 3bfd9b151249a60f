// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// How the client named the tools of its request, for the calls that go back to it.
///
/// The request side leaves a note in the ctx where it sent a tool or a property under another name (``ToolNames``).
struct ClientTools {
  private struct Tool {
    /// The client's name for it; nil where it is the one that was sent.
    var name: JSON?
    var isCustom: Bool
    /// The group that the client declared it in.
    var namespace: JSON?
    /// The type of the item that calls it, where that isn't a call of a function.
    var item: String?
    /// The client's names of properties, by those that were sent.
    var keys: [String: String]
  }

  private var tools: [String: Tool] = [:]

  /// - Parameter note: the `tools` of `ctx.oai2anth` or `ctx.resp2anth`.
  init(_ note: JSON?) {
    for (sent, tool) in note?.members.map({ $0 }) ?? [] {
      var keys: [String: String] = [:]
      for (key, name) in tool["keys"]?.members.map({ $0 }) ?? [] { keys[key] = name.string }
      tools[sent] = Tool(
        name: tool["name"], isCustom: tool["custom"]?.bool ?? false, namespace: tool["namespace"],
        item: tool["item"]?.string, keys: keys)
    }
  }

  /// What the client calls the tool of a call.
  func names(of block: JSON) -> (name: JSON, namespace: JSON?, isCustom: Bool, item: String?) {
    let sent = block["name"] ?? JSON("")
    let tool = tools.isEmpty ? nil : tools[sent.string ?? ""]
    return (tool?.name ?? sent, tool?.namespace, tool?.isCustom ?? false, tool?.item)
  }

  /// A call as OpenAI's API has it, with its whole input, or as it begins in a stream.
  func call(_ block: JSON, isWhole: Bool = true) -> JSON {
    let (name, _, isCustom, _) = names(of: block)
    var input = Bytes()
    if isWhole {
      input.append(block["input"] ?? .object)
      if let way = self.input(of: block) {
        let text = input.take()
        way.feed(text.slice, to: &input)
        way.finish(to: &input)
      }
    }
    let body: KeyValuePairs<StaticString, JSON?> =
      isCustom
      ? ["name": name, "input": JSON(utf8: input.slice)]
      : ["name": name, "arguments": JSON(utf8: input.slice)]
    let made = JSON(object: [
      "id": block["id"] ?? JSON(""), "type": JSON(isCustom ? "custom" : "function"),
    ])
    made[isCustom ? "custom" : "function"] = JSON(object: body)
    // Of these two the API wants back what it gave.
    for name in ToolCallMembers.own { if let value = block[name], !value.isNull { made[name] = value } }
    return made
  }

  /// What the input of a call has to go through; nil where it goes as it is.
  func input(of block: JSON) -> ToolInput? {
    guard !tools.isEmpty, let tool = tools[block["name"]?.string ?? ""] else { return nil }
    if tool.isCustom { return ToolInput(nil) }
    return tool.keys.isEmpty ? nil : ToolInput(KeyRestorer(tool.keys))
  }
}

/// The way of one call's input to the client, in pieces that may be cut anywhere but within an escape.
final class ToolInput {
  private var keys: KeyRestorer?
  private var text = CustomInput()

  /// The input is a text of its own, not JSON.
  var isCustom: Bool { keys == nil }

  fileprivate init(_ keys: KeyRestorer?) { self.keys = keys }

  func feed(_ piece: ByteSlice, to out: inout Bytes) {
    if keys == nil { text.feed(piece, to: &out) } else { keys!.feed(piece, to: &out) }
  }

  /// The input is over, whole or not.
  func finish(to out: inout Bytes) {
    if keys == nil { text.finish(to: &out) } else { keys!.finish(to: &out) }
  }
}

/// Puts the client's names of properties into JSON text in the place of those that were sent.
///
/// Values pass as the bytes they are. A name is held back until all of it is there.
struct KeyRestorer {
  private let names: [String: String]
  /// Longer than this no name can be that has to be replaced, with every character escaped.
  private let longest: Int

  private enum Place { case outside, value, key }
  private var place = Place.outside
  private var isEscaped = false
  /// Which of the open containers are objects, the innermost last.
  private var isObject: [Bool] = []
  private var expectsKey = false
  private var held: [UInt8] = []

  init(_ names: [String: String]) {
    self.names = names
    longest = 6 * (names.keys.map(\.utf8.count).max() ?? 0)
  }

  mutating func feed(_ piece: ByteSlice, to out: inout Bytes) {
    // What is decided and not yet written begins here.
    var start = 0
    var at = 0
    while at < piece.count {
      if place == .outside {
        step(piece[at])
        at += 1
        if place == .key {
          out.append(piece.cut(start, at))
          start = at
        }
        continue
      }
      guard let end = endOfString(piece, at) else {
        guard place == .key else { break }
        held.append(contentsOf: piece.cut(at, piece.count))
        start = piece.count
        if held.count > longest { release(to: &out) }
        return
      }
      if place == .key {
        held.append(contentsOf: piece.cut(at, end))
        putName(to: &out)
        start = end
      }
      place = .outside
      expectsKey = false
      at = end + 1
    }
    out.append(piece.cut(start, piece.count))
  }

  mutating func finish(to out: inout Bytes) { release(to: &out) }

  /// Gives out what was held as it is; the rest of the string is no name any more.
  private mutating func release(to out: inout Bytes) {
    held.withUnsafeBufferPointer { out.append($0) }
    held = []
    if place == .key { place = .value }
  }

  private mutating func putName(to out: inout Bytes) {
    held.withUnsafeBufferPointer { inside in
      var name = Bytes()
      guard inside.count <= longest, name.append(unescaped: inside), var other = names[name.text] else {
        return out.append(inside)
      }
      other.withUTF8 { out.append(escaped: $0) }
    }
    held = []
  }

  private mutating func step(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "{"):
      isObject.append(true)
      expectsKey = true
    case UInt8(ascii: "["):
      isObject.append(false)
      expectsKey = false
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      _ = isObject.popLast()
      expectsKey = false
    case UInt8(ascii: ","): expectsKey = isObject.last ?? false
    case UInt8(ascii: "\""): place = expectsKey ? .key : .value
    default: break
    }
  }

  /// The offset of the quote that ends the string at hand.
  private mutating func endOfString(_ piece: ByteSlice, _ start: Int) -> Int? {
    var at = start
    while at < piece.count {
      if isEscaped {
        isEscaped = false
      } else if piece[at] == UInt8(ascii: "\\") {
        isEscaped = true
      } else if piece[at] == UInt8(ascii: "\"") {
        return at
      }
      at += 1
    }
    return nil
  }
}

/// The text of a custom tool's input, out of the object `{"input":"…"}` that the model writes.
///
/// Where the model writes something else, all of it is the input, as it is.
struct CustomInput {
  private static let head = Array(#"{"input":""#.utf8)

  private enum Place { case head, text, raw, over }
  private var place = Place.head
  /// How much of the head has been met, and all of it with its white space.
  private var met = 0
  private var held: [UInt8] = []

  mutating func feed(_ piece: ByteSlice, to out: inout Bytes) {
    var at = 0
    while place == .head, at < piece.count {
      let byte = piece[at]
      held.append(byte)
      at += 1
      if byte == Self.head[met] {
        met += 1
        if met == Self.head.count { place = .text }
      } else if !Scan.isSpace(byte) || (2...6).contains(met) {
        place = .raw
        held.withUnsafeBufferPointer { out.append($0) }
      }
    }
    switch place {
    case .head, .over: break
    case .raw: out.append(piece.cut(at, piece.count))
    case .text:
      var end = at
      while end < piece.count, piece[end] != UInt8(ascii: "\"") {
        end += piece[end] == UInt8(ascii: "\\") ? 2 : 1
      }
      end = min(end, piece.count)
      let inside = piece.cut(at, end)
      if !out.append(unescaped: inside) { out.append(inside) }
      if end < piece.count { place = .over }
    }
  }

  mutating func finish(to out: inout Bytes) {
    guard place == .head else { return }
    held.removeAll(where: Scan.isSpace)
    // A call without input.
    if held != Array("{}".utf8) { held.withUnsafeBufferPointer { out.append($0) } }
  }
}
