// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Looks in a body for what only OpenAI's have.
///
/// It goes once over the text, and ends at the first mark: a body may be many megabytes.
struct ChatMarks {
  private let text: ByteSlice
  private var at = 0
  private var isFound = false
  private var hasMaxTokens = false
  /// The text turned out to be no JSON: nothing follows from what isn't there.
  private var isBroken = false

  static func isChat(_ body: ByteSlice, _ operation: Operation) -> Bool {
    var marks = ChatMarks(text: body)
    marks.object { marks, key in marks.field(key) }
    if marks.isFound { return true }
    // Every request for a message must have it, but none for a count.
    return operation == .messages && !marks.isBroken && !marks.hasMaxTokens
  }

  private init(text: ByteSlice) { self.text = text }

  private mutating func field(_ key: ByteSlice) {
    if key.equals("messages") {
      array { marks, index in
        marks.object { marks, key in marks.member(ofMessage: key, index) }
      }
    } else if key.equals("tools") {
      array { marks, _ in
        marks.object { marks, key in
          if key.equals("function") {
            marks.isFound = true
          } else if let value = marks.value(), key.equals("type"), value.equals("\"function\"") {
            marks.isFound = true
          }
        }
      }
    } else if let value = value() {
      isFound = Self.fields.contains { key.equals($0) }
      if key.equals("model"), value.count > 5 {
        let name = value.cut(1, value.count)
        isFound = isFound || name.startsWithoutCase("gpt-") || name.startsWithoutCase("openai/")
      } else if key.equals("tool_choice") {
        // Anthropic's is an object.
        isFound = isFound || value[0] == UInt8(ascii: "\"")
      } else if key.equals("max_tokens") {
        hasMaxTokens = !value.equals("null")
      }
    }
  }

  /// The fields of a chat request that a Messages request hasn't.
  private static let fields: [StaticString] = [
    "n", "stop", "seed", "user", "store", "logprobs", "functions", "logit_bias", "modalities", "prediction",
    "function_call", "stream_options", "response_format", "reasoning_effort", "presence_penalty", "frequency_penalty",
    "parallel_tool_calls", "max_completion_tokens", "top_logprobs", "verbosity", "prompt_cache_key",
    "prompt_cache_retention", "safety_identifier", "web_search_options", "audio",
  ]

  /// What the parts of its messages have beside a type.
  private static let members: [StaticString] = ["image_url", "input_audio", "file", "refusal"]

  private mutating func member(ofMessage key: ByteSlice, _ index: Int) {
    if key.equals("content"), next == UInt8(ascii: "[") {
      array { marks, _ in
        marks.object { marks, key in
          if Self.members.contains(where: { key.equals($0) }) { marks.isFound = true } else { _ = marks.value() }
        }
      }
      return
    }
    guard let value = value() else { return }
    if key.equals("tool_calls") || key.equals("function_call") {
      isFound = true
    } else if key.equals("role") {
      isFound =
        value.equals("\"developer\"") || value.equals("\"tool\"") || (index == 0 && value.equals("\"system\""))
    }
  }

  // MARK: Going over the text

  private var next: UInt8? { at < text.count ? text[at] : nil }

  private mutating func value() -> ByteSlice? {
    guard let end = Scan.endOfValue(text, at) else {
      isBroken = true
      return nil
    }
    defer { at = end }
    return text.cut(at, end)
  }

  /// Goes over an object's members; `each` goes over the value. Another value is gone over whole.
  private mutating func object(_ each: (inout ChatMarks, ByteSlice) -> Void) {
    list(from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { marks, _ in
      guard marks.next == UInt8(ascii: "\""), let end = Scan.endOfString(marks.text, marks.at) else {
        marks.isBroken = true
        return
      }
      let key = marks.text.cut(marks.at + 1, end - 1)
      marks.at = Scan.skipSpace(marks.text, end)
      guard marks.next == UInt8(ascii: ":") else {
        marks.isBroken = true
        return
      }
      marks.at = Scan.skipSpace(marks.text, marks.at + 1)
      each(&marks, key)
    }
  }

  private mutating func array(_ each: (inout ChatMarks, Int) -> Void) {
    list(from: UInt8(ascii: "["), to: UInt8(ascii: "]"), each)
  }

  private mutating func list(from open: UInt8, to close: UInt8, _ each: (inout ChatMarks, Int) -> Void) {
    at = Scan.skipSpace(text, at)
    guard next == open else {
      _ = value()
      return
    }
    at = Scan.skipSpace(text, at + 1)
    var index = 0
    while let byte = next, byte != close {
      each(&self, index)
      if isFound || isBroken { return }
      index += 1
      at = Scan.skipSpace(text, at)
      guard next == UInt8(ascii: ",") else { break }
      at = Scan.skipSpace(text, at + 1)
    }
    guard next == close else {
      isBroken = true
      return
    }
    at += 1
  }
}
