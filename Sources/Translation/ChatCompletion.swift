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

  func respond(with body: JSON, to out: inout Output) {
    let made =
      switch operation {
      case .models: ModelList.list(body)
      case .model: ModelList.entry(body)
      default: completion(of: body)
      }
    out.record(.response, of: id) { $0.append(made) }
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
      "usage": TokenUsage(message["usage"] ?? .object).ofCompletion,
    ])
    noteOwn(message)
    for (name, value) in own.members { made[name] = value }
    return made
  }

  static func id(of message: String?) -> String {
    "chatcmpl-" + tail(ofID: message)
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
}

extension Bytes {
  /// Appends the text of a string; nothing of other values.
  mutating func append(contentsOf string: JSON?) {
    _ = string?.withUTF8 { append($0) }
  }
}
