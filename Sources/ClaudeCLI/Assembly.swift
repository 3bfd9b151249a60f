// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// Puts the events of a stream together into the message that they describe.
package struct Assembly: ~Copyable {
  private var message: JSON
  private var blocks: [Block] = []
  /// Tool inputs that ended before their JSON did.
  package private(set) var cutInputs: [Int] = []

  /// One content block in the making. Its texts grow in buffers, because a JSON string can't.
  private final class Block {
    let value: JSON
    var texts: [(key: String, bytes: GrowingText)] = []
    var input: GrowingText?

    init(_ value: JSON) { self.value = value }

    func append(_ text: JSON, to key: String) {
      if let known = texts.first(where: { $0.key == key }) {
        known.bytes.append(text)
      } else {
        let bytes = GrowingText()
        if let start = value[key], start.isString { bytes.append(start) }
        bytes.append(text)
        texts.append((key, bytes))
      }
    }
  }

  private final class GrowingText {
    var bytes = Bytes()
    func append(_ text: JSON) {
      _ = text.withUTF8 { bytes.append($0) }
    }
  }

  /// - Parameter start: the `message` of a `message_start` event.
  package init(start: JSON) { message = start.shallowCopy() }

  /// Takes one event after `message_start`; what it doesn't know, it passes over.
  package mutating func take(_ type: CLILine.EventType, _ event: JSON) {
    switch type {
    case .blockStart:
      guard let value = event["content_block"] else { return }
      // Indexes come in order; a gap would be someone else's fault, and no reason to lose a block.
      blocks.append(Block(value.shallowCopy()))
    case .blockDelta:
      guard let delta = event["delta"], let index = event["index"]?.integer, blocks.indices.contains(index)
      else { return }
      Self.apply(delta, to: blocks[index])
    case .messageDelta:
      for (key, value) in event.members {
        switch key {
        case "type": break
        case "delta": for (name, member) in value.members { message[name] = member }
        case "usage": message["usage"] = Self.merge(message["usage"], value)
        default: message[key] = value
        }
      }
    default: break
    }
  }

  private static func apply(_ delta: JSON, to block: Block) {
    if delta["type"]?.equals("citations_delta") == true, let citation = delta["citation"] {
      let known = block.value["citations"]
      let citations = known?.isArray == true ? known!.shallowCopy() : JSON.array
      citations.append(citation)
      block.value["citations"] = citations
      return
    }
    // text_delta, thinking_delta, signature_delta, and what will come: strings go on, all else replaces.
    for (key, value) in delta.members where key != "type" {
      if key == "partial_json" {
        let input = block.input ?? GrowingText()
        input.append(value)
        block.input = input
      } else if key == "signature" {
        block.value[key] = value
      } else if value.isString {
        block.append(value, to: key)
      } else {
        block.value[key] = value
      }
    }
  }

  /// A usage with the later numbers in place of the earlier.
  package static func merge(_ usage: JSON?, _ later: JSON) -> JSON {
    guard let usage, usage.isObject else { return later }
    let merged = usage.shallowCopy()
    for (key, value) in later.members where !value.isNull || merged[key] == nil { merged[key] = value }
    return merged
  }

  /// The message as far as it has come.
  package mutating func finish() -> JSON {
    let content = JSON.array
    for (index, block) in blocks.enumerated() {
      for (key, text) in block.texts { block.value[key] = JSON(utf8: text.bytes.slice) }
      if let input = block.input, !input.bytes.isEmpty {
        if let value = try? JSON.parse(mending: input.bytes.slice) {
          block.value["input"] = value
        } else {
          cutInputs.append(index)
        }
      }
      content.append(block.value)
    }
    message["content"] = content
    return message
  }
}
