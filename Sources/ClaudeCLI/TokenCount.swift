// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// How the CLI is asked for a request's number of tokens: the conversation is said to it, and it asks the API's own
/// `count_tokens` for the messages and, as one more message, for the system text.
///
/// Where the API gives it none, the CLI says an estimate of its own, and doesn't tell. So it is asked for the estimate
/// as well: what equals that is none of the API's.
package struct TokenCount {
  /// The tokens that the API adds to a request with tools. There is no way to count them here.
  static let wordsOfTools = 346

  /// Whether the number is not the API's own for this request.
  package private(set) var isEstimate: Bool
  /// Why the API gave none.
  package var refusal: APIError?
  /// What the CLI can't be asked for.
  private let more: Int
  private var estimate: (messages: Int, system: Int)?

  package init(_ request: MessagesRequest) {
    isEstimate = !request.isCountable
    more = (request.body["tools"]?.count ?? 0) > 0 ? Self.wordsOfTools : 0
  }

  /// The frames that ask, behind the conversation's.
  static func append(to frames: inout Bytes) {
    for (id, detail) in [("estimate", "summary"), ("count", "full")] as [(StaticString, StaticString)] {
      frames.append(#"{"type":"control_request","request_id":""#)
      frames.append(id)
      frames.append(#"","request":{"subtype":"get_context_usage","detail":""#)
      frames.append(detail)
      frames.append("\"}}\n")
    }
  }

  /// Takes the CLI's answer to a frame.
  ///
  /// - Returns: the number; nil while it is to come.
  mutating func take(_ response: ByteSlice) throws(APIError) -> Int? {
    guard let id = Scan.plainString(Scan.member("request_id", of: response)) else { return nil }
    guard id.equals("estimate") || id.equals("count") else { return nil }
    guard let usage = (try? JSON.parse(response))?["response"], let messages = Self.tokens("messages", in: usage) else {
      throw CLIError.broken("the Claude CLI didn't count")
    }
    let system = Self.tokens("system_prompt", in: usage) ?? 0
    guard id.equals("count") else {
      estimate = (messages, system)
      return nil
    }
    if estimate == nil || estimate!.messages == messages || system > 0 && estimate!.system == system {
      // The API itself has refused the request. Where it only has no such endpoint, the CLI's estimate stands.
      if let refusal, ![404, 405, 501].contains(refusal.status) { throw refusal }
      isEstimate = true
    }
    return messages + system + more
  }

  /// A number of tokens as it may be; nil for what is none.
  private static func tokens(_ id: StaticString, in usage: JSON) -> Int? {
    let found = usage["categories"]?.elements.first { $0["id"]?.equals(id) == true }?["tokens"]?.integer
    return found.flatMap { (0...1_000_000_000).contains($0) ? $0 : nil }
  }
}

extension MessagesRequest {
  /// What the API counts and the CLI doesn't say to it.
  private static let uncounted = ["tools", "mcp_servers", "container"]

  /// Whether the API counts what the CLI says to it, and nothing else.
  var isCountable: Bool { isReplayable && Self.uncounted.allSatisfy { (body[$0]?.count ?? 0) == 0 } }
}

extension Conversation {
  /// A conversation that has about as many tokens, in a form that the CLI can be asked for: all of it in one turn, with
  /// the tools as text after the system text.
  init(estimating request: MessagesRequest) {
    self.init()
    takeSystem(request.body["system"])
    if let tools = request.body["tools"], tools.count > 0 { addText(of: tools) }
    var blocks: [JSON] = []
    for message in request.body["messages"]!.elements {
      let isUser = message["role"]!.equals("user")
      for block in Self.blocks(message["content"]!) {
        switch block["type"]?.string {
        // The API doesn't count the thinking of earlier turns.
        case "thinking", "redacted_thinking": break
        case "text": if block["text"]?.equals("") == false { blocks.append(Self.text(block["text"]!)) }
        case "image", "document", "search_result": blocks.append(isUser ? block : Self.text(of: block))
        case "tool_result":
          for part in block["content"].map({ Self.blocks($0) }) ?? [] where part["text"]?.equals("") != true {
            blocks.append(part)
          }
        default: blocks.append(Self.text(of: block))
        }
      }
    }
    if blocks.isEmpty { blocks.append(Self.text(JSON("."))) }
    add(Turn(isUser: true, content: JSON(array: blocks)))
  }

  private static func text(_ text: JSON) -> JSON { JSON(object: ["type": JSON("text"), "text": text]) }

  /// A value written out, as a block of text.
  private static func text(of value: JSON) -> JSON {
    var bytes = Bytes()
    bytes.append(value)
    return text(JSON(utf8: bytes.slice))
  }
}
