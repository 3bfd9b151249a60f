// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// Puts the events of a stream together into the message that they describe.
package struct Assembly: ~Copyable {
  private var message: JSON
  /// In the order in which they began.
  private var blocks: [Block] = []
  /// Where each stands in ``blocks``, by the index that its events name.
  private var places: [Int: Int] = [:]
  /// Tool inputs that ended before their JSON did, as indices of the message's content.
  package private(set) var cutInputs: [Int] = []

  /// One content block in the making. Its texts grow in buffers, because a JSON string can't.
  private final class Block {
    let index: Int
    let value: JSON
    var texts: [String: GrowingText] = [:]
    var input: GrowingText?
    /// The block's citations, once one was added.
    var citations: JSON?

    init(_ index: Int, _ value: JSON) { (self.index, self.value) = (index, value) }

    func append(_ text: JSON, to key: String) {
      if let known = texts[key] { return known.append(text) }
      let bytes = GrowingText()
      if let start = value[key], start.isString { bytes.append(start) }
      bytes.append(text)
      texts[key] = bytes
    }

    func append(citation: JSON) {
      if citations == nil {
        let known = value["citations"]
        let own = known?.isArray == true ? known!.shallowCopy() : JSON.array
        value["citations"] = own
        citations = own
      }
      citations!.append(citation)
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
      guard let value = event["content_block"], value.isObject else { return }
      let index = event["index"]?.integer ?? blocks.count
      // The CLI keeps some blocks to itself, so that an index may be missing.
      places[index] = blocks.count
      blocks.append(Block(index, value.shallowCopy()))
    case .blockDelta:
      guard let delta = event["delta"], let index = event["index"]?.integer, let place = places[index] else { return }
      Self.apply(delta, to: blocks[place])
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
      return block.append(citation: citation)
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

  /// The message as far as it has come, its blocks in the order of their indices.
  package mutating func finish() -> JSON {
    let content = JSON.array
    let inOrder = blocks.enumerated().sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
    for (place, (_, block)) in inOrder.enumerated() {
      for (key, text) in block.texts { block.value[key] = JSON(utf8: text.bytes.slice) }
      if let input = block.input, !input.bytes.isEmpty {
        if let value = try? JSON.parse(mending: input.bytes.slice) {
          block.value["input"] = value
        } else {
          cutInputs.append(place)
        }
      }
      content.append(block.value)
    }
    message["content"] = content
    return message
  }
}
