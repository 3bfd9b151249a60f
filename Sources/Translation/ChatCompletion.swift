// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// The whole answer to a request that asked for no stream.
extension ChatAnswer {
  /// Whether the whole answer is of a kind that OpenAI has another form for.
  var isTranslated: Bool {
    switch operation {
    case .messages, .models, .model: true
    case .countTokens, .health, .other: false
    }
  }

  func response(_ body: JSON) -> JSON {
    switch operation {
    case .models: ModelList.list(body)
    case .model: ModelList.entry(body)
    default: completion(of: body)
    }
  }

  private func completion(of message: JSON) -> JSON {
    var text = Bytes()
    var hasText = false
    var calls: [JSON] = []
    var reasoning = Bytes()
    var thinking: [JSON] = []
    for block in message["content"]?.elements.map({ $0 }) ?? [] {
      switch block["type"]?.string {
      case "text":
        hasText = true
        text.append(contentsOf: block["text"])
        if let citations = block["citations"], citations.count > 0 { loss.dropped("content.citations") }
      case "tool_use":
        calls.append(clientTools.call(block))
      case "thinking":
        reasoning.append(contentsOf: block["thinking"])
        thinking.append(block)
      case "redacted_thinking": thinking.append(block)
      case let type:
        if let words = block["text"], words.isString {
          hasText = true
          text.append(contentsOf: words)
        }
        loss.dropped("content." + Self.name(type))
      }
    }
    let answer = JSON(object: [
      "role": JSON("assistant"), "content": hasText || calls.isEmpty ? JSON(utf8: text.slice) : .null,
      "refusal": Self.refusal(of: message),
      "reasoning_content": reasoning.isEmpty ? nil : JSON(utf8: reasoning.slice),
      "thinking_blocks": thinking.isEmpty ? nil : JSON(array: thinking),
      "tool_calls": calls.isEmpty ? nil : JSON(array: calls),
    ])
    let made = JSON(object: [
      "id": JSON(Self.id(of: message["id"]?.string)), "object": JSON("chat.completion"), "created": JSON(created),
      "model": askedModel.map { JSON($0) } ?? message["model"] ?? JSON(""),
      "choices": JSON(array: [
        JSON(object: [
          "index": JSON(0), "message": answer, "logprobs": .null,
          "finish_reason": JSON(Self.finishReason(message["stop_reason"]?.string)),
        ])
      ]),
      "usage": ChatUsage.usage(of: message["usage"] ?? .object),
    ])
    for name in Self.ownMembers { if let value = message[name], !value.isNull { made[name] = value } }
    return made
  }

  /// Anthropic's own members of a message, which keep their names: what follows needs some (the container), and
  /// a client that doesn't know them passes them over.
  static let ownMembers = [
    "container", "context_management", "diagnostics", "input_transformations", "stop_details", "stop_sequence",
  ]

  /// A type's name as far as it is fit for a log.
  static func name(_ type: String?) -> String {
    let name = (type ?? "").prefix(40)
    return !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
      ? String(name) : "unknown"
  }

  static func id(of message: String?) -> String {
    let message = message ?? ""
    return "chatcmpl-" + (message.hasPrefix("msg_") ? String(message.dropFirst(4)) : message)
  }

  /// - SeeAlso: <https://docs.anthropic.com/en/api/handling-stop-reasons>
  static func finishReason(_ stopReason: String?) -> String {
    switch stopReason {
    case "max_tokens", "model_context_window_exceeded": "length"
    case "tool_use": "tool_calls"
    case "refusal": "content_filter"
    default: "stop"
    }
  }

  /// What the model says of its refusal, where it refused and says it.
  static func refusal(of message: JSON) -> JSON {
    guard message["stop_reason"]?.equals("refusal") == true else { return .null }
    return message["stop_details"]?["explanation"] ?? .null
  }
}

extension Bytes {
  /// Appends the text of a string; nothing of other values.
  mutating func append(contentsOf string: JSON?) {
    _ = string?.withUTF8 { append($0) }
  }
}
