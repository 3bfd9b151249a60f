// SPDX-License-Identifier: MIT
import Jansson

/// Makes chat requests as no client should send them, and some that are fine.
struct Conversations {
  var random: Random
  /// Words that a request says, each of them once; and the field of the ledger that may account for its absence.
  private(set) var words: [(word: String, excuse: String?)] = []
  private var count = 0

  init(seed: Int) { random = Random(seed: seed) }

  static let models = [
    "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-4-8", "claude-sonnet-4-5", "claude-haiku-4-5", "unknown",
    "claude-opus-4-6",
  ]

  mutating func request() -> JSON {
    words = []
    let request = JSON.object
    request["model"] = JSON(random.any(of: Self.models))
    if random.one(in: 4) { request["stream"] = JSON(true) }
    let messages = JSON.array
    for _ in 0..<(random.one(in: 50) ? 0 : 1 + random.below(9)) { messages.append(message()) }
    request["messages"] = messages
    addTools(to: request)
    addParameters(to: request)
    if random.one(in: 60) { spoil(request) }
    return request
  }

  // MARK: Messages

  private mutating func message() -> JSON {
    let message = JSON.object
    let role = random.any(of: [
      "user", "user", "user", "assistant", "assistant", "assistant", "tool", "tool", "system", "developer", "function",
    ])
    message["role"] = JSON(role)
    switch role {
    case "assistant": fillAssistant(message)
    case "tool":
      message["tool_call_id"] = JSON(id())
      message["content"] = resultContent()
    case "function":
      message["name"] = JSON("f")
      message["content"] = resultContent()
    case "user": message["content"] = content(of: ["text", "text", "image_url", "file", "image", "tool_result"])
    default: message["content"] = content(of: ["text"])
    }
    if random.one(in: 12) { message["cache_control"] = JSON(object: ["type": JSON("ephemeral")]) }
    if role != "tool", role != "function", random.one(in: 12) { message["name"] = JSON(word("messages.name")) }
    if random.one(in: 30) { message["odd"] = odd() }
    if random.one(in: 80) { spoil(message) }
    return message
  }

  private mutating func fillAssistant(_ message: JSON) {
    if random.one(in: 3) {
      message["content"] = .null
    } else {
      message["content"] = content(of: ["text", "text", "text", "refusal", "tool_use"])
    }
    if random.one(in: 10) { message["refusal"] = JSON(text()) }
    if random.one(in: 2) {
      let calls = JSON.array
      for _ in 0..<random.below(4) {
        calls.append(
          JSON(object: [
            "id": JSON(id()), "type": JSON("function"),
            "function": JSON(object: ["name": JSON("f"), "arguments": arguments()]),
          ]))
      }
      message["tool_calls"] = calls
    }
    if random.one(in: 8) {
      message["function_call"] = JSON(object: ["name": JSON("f"), "arguments": arguments()])
    }
    if random.one(in: 6) {
      let blocks = JSON.array
      for _ in 0..<1 + random.below(2) {
        switch random.below(3) {
        case 0: blocks.append(JSON(object: ["type": JSON("redacted_thinking"), "data": JSON("AA==")]))
        case 1:
          blocks.append(
            JSON(object: ["type": JSON("thinking"), "thinking": JSON(word(nil)), "signature": JSON("EqQB")]))
        default:
          blocks.append(
            JSON(object: ["type": JSON("thinking"), "thinking": JSON(word("messages.thinking_blocks"))]))
        }
      }
      message["thinking_blocks"] = blocks
    } else if random.one(in: 8) {
      message["reasoning_content"] = JSON(word("messages.reasoning_content"))
    }
  }

  private mutating func content(of types: [String]) -> JSON {
    if random.one(in: 2) { return JSON(text()) }
    let parts = JSON.array
    for _ in 0..<random.below(4) { parts.append(part(random.any(of: types))) }
    return parts
  }

  private mutating func resultContent() -> JSON {
    switch random.below(6) {
    case 0: return .null
    case 1: return JSON(random.any(of: ["", " ", "\n\t"]))
    case 2:
      let parts = JSON.array
      for _ in 0..<random.below(3) {
        parts.append(part(random.any(of: ["text", "image_url"]), "messages.tool_call_id"))
      }
      return parts
    default: return JSON(text("messages.tool_call_id"))
    }
  }

  private mutating func part(_ type: String, _ excuse: String? = nil) -> JSON {
    let part = JSON(object: ["type": JSON(type)])
    switch type {
    case "text", "refusal": part[type] = JSON(text(excuse))
    case "image_url":
      part["image_url"] = JSON(object: [
        "url": JSON(
          random.one(in: 3)
            ? "https://x/" + word(excuse)
            : random.any(of: ["data:image/png;base64,", "DATA:image/jpg;charset=x;Base64,"])
              + base64(random.any(of: ["iVBORw0KGgoA", "/9j/"]), excuse)),
        "detail": random.one(in: 4) ? JSON("high") : nil,
      ])
    case "file":
      part["file"] = JSON(object: [
        "file_data": JSON("data:application/pdf;base64," + base64("JVBERi0x", excuse)), "filename": JSON(word(excuse)),
      ])
    case "image": part["source"] = JSON(object: ["type": JSON("url"), "url": JSON("https://x/" + word(excuse))])
    case "tool_use":
      part["id"] = JSON(id())
      part["name"] = JSON("f")
      part["input"] = JSON(object: ["w": JSON(word(excuse))])
    default:
      part["tool_use_id"] = JSON(id())
      if !random.one(in: 4) { part["content"] = JSON(text("messages.tool_call_id")) }
    }
    if random.one(in: 8) { part["cache_control"] = JSON(object: ["type": JSON("ephemeral")]) }
    return part
  }

  private mutating func arguments() -> JSON {
    switch random.below(7) {
    case 0: return JSON("")
    case 1: return JSON("{}")
    case 2: return JSON("[1]")
    case 3: return JSON("{\"a\":" + word(nil))
    case 4: return JSON(object: ["w": JSON(word(nil))])
    case 5: return random.one(in: 3) ? .null : JSON(" ")
    default: return JSON(#"{"a":1.50,"w":""# + word(nil) + "\"}")
    }
  }

  /// Few, so that they meet: some that the Messages API refuses, and some that look like made ones.
  private mutating func id() -> String {
    random.any(of: ["a", "b", "a.b", "a:b", "esc_a", "a_2", "call_1", "call_2", "ü", "", "call none", "toolu_01"])
  }

  /// A word that stands nowhere else.
  private mutating func word(_ excuse: String?) -> String {
    count += 1
    let word = "w\(count)w"
    words.append((word, excuse))
    return word
  }

  /// Base64 with a word in it, after the first bytes of a file, whose padding may be missing.
  private mutating func base64(_ head: String, _ excuse: String?) -> String {
    let text = head + word(excuse)
    return text + String(repeating: "A", count: (4 - text.utf8.count % 4) % 4) + random.any(of: ["", "AA", "AA=="])
  }

  /// Text with a word in it, among what text may hold; or nothing to see.
  private mutating func text(_ excuse: String? = nil) -> String {
    if random.one(in: 5) {
      return random.any(of: ["", " ", "\n", "\t\r\n", "\u{A0}", "\u{2003}\u{3000}", "\u{0B}\u{0C}"])
    }
    let ends = [
      "", "", "", " ", "\n", "  \r\n", "\u{A0}", "é", "😀", "\"\\/", "\u{0}", "\u{1F}", "e\u{301}", " \u{301}",
      String(repeating: "long ", count: 9), String(repeating: " é\n", count: 20),
    ]
    return random.any(of: ends) + word(excuse) + random.any(of: ends)
  }

  // MARK: Around the messages

  private mutating func addTools(to request: JSON) {
    if random.one(in: 2) {
      let tools = JSON.array
      // Two tools of one name that differ are refused.
      for name in ["f", "g"].prefix(random.below(3)) {
        let function = JSON(object: ["name": JSON(name)])
        if random.one(in: 2) {
          function["parameters"] = random.any(of: [.object, .null, JSON(object: ["type": JSON("object")])])
        }
        if random.one(in: 4) { function["strict"] = JSON(true) }
        tools.append(JSON(object: ["type": JSON("function"), "function": function]))
      }
      request["tools"] = tools
    }
    if random.one(in: 8) { request["functions"] = JSON(array: [JSON(object: ["name": JSON("h")])]) }
    if random.one(in: 3) {
      request["tool_choice"] = random.any(of: [
        JSON("auto"), JSON("none"), JSON("required"),
        JSON(object: ["type": JSON("function"), "function": JSON(object: ["name": JSON("f")])]),
        JSON(object: [
          "type": JSON("allowed_tools"),
          "allowed_tools": JSON(object: ["mode": JSON("auto"), "tools": JSON(array: [])]),
        ]),
      ])
    }
    if random.one(in: 4) { request["parallel_tool_calls"] = JSON(random.one(in: 2)) }
  }

  private mutating func addParameters(to request: JSON) {
    if random.one(in: 3) {
      request["temperature"] = random.any(of: [JSON(0), JSON(0.7), JSON(1), JSON(1.7), JSON(2), JSON(-1), .null])
    }
    if random.one(in: 5) { request["top_p"] = random.any(of: [JSON(0.5), JSON(1), JSON(0.99)]) }
    if random.one(in: 3) {
      request["max_tokens"] = random.any(of: [
        JSON(1), JSON(100), JSON(1024), JSON(1025), JSON(9000), JSON(9000.0), JSON(0), JSON(.min), JSON(.max), .null,
      ])
    }
    if random.one(in: 3) {
      request["reasoning_effort"] = JSON(random.any(of: ["none", "minimal", "low", "medium", "high", "xhigh", "odd"]))
    }
    if random.one(in: 20) {
      request["thinking"] = JSON(object: [
        "type": JSON("enabled"), "budget_tokens": JSON(random.any(of: [1024, 31_999, 32_000, 60_000, .max])),
      ])
    }
    if random.one(in: 5) {
      request["stop"] = random.any(of: [JSON("x"), JSON(" "), JSON(array: [JSON("x"), JSON("\n")]), JSON(array: [])])
    }
    if random.one(in: 6) { request["response_format"] = JSON(object: ["type": JSON("json_object")]) }
    if random.one(in: 6) { request["system"] = JSON(text()) }
    if random.one(in: 9) { request["seed"] = JSON(1) }
    if random.one(in: 9) { request["user"] = JSON("u1") }
    if random.one(in: 9) { request["odd"] = odd() }
  }

  /// Puts something of another type where it doesn't belong.
  private mutating func spoil(_ object: JSON) {
    let keys = object.members.map(\.key)
    object[random.any(of: keys)] = random.one(in: 4) ? nil : odd()
  }

  private mutating func odd() -> JSON {
    random.any(of: [
      .null, JSON(0), JSON(true), JSON("odd"), .array, .object, JSON(array: [.null]),
      JSON(array: [JSON(1), JSON("x")]),
      JSON(object: ["type": JSON(1)]), JSON(1e300), JSON(array: [.object]),
    ])
  }
}
