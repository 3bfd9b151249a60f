// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// How the CLI is asked for a request's number of tokens: the conversation is said to it, and it asks the API's own
/// `count_tokens` for the messages and, as one more message, for the system text.
///
/// Where the API gives it none, the CLI says an estimate of its own, and doesn't tell. So it is asked for the estimate
/// as well: what equals that is none of the API's.
struct TokenCount {
  private var estimate: (messages: Int, system: Int)?

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
    guard let estimate, estimate.messages != messages, system == 0 || estimate.system != system else {
      throw CLIError.broken("the API gave the Claude CLI no count of the tokens")
    }
    return messages + system
  }

  private static func tokens(_ id: StaticString, in usage: JSON) -> Int? {
    usage["categories"]?.elements.first { $0["id"]?.equals(id) == true }?["tokens"]?.integer
  }
}

extension MessagesRequest {
  /// What the API counts and the CLI doesn't say to it.
  private static let uncounted = ["tools", "mcp_servers", "container"]

  /// - Throws: a 501 for what the CLI can't count.
  func checkCount() throws(APIError) {
    for name in Self.uncounted where (body[name]?.count ?? 0) > 0 {
      throw Self.uncountable("\(name) can't be counted")
    }
    guard isReplayable else {
      throw Self.uncountable("only text, tool calls and results, and what a URL names, up to ten turns and a last one")
    }
  }

  private static func uncountable(_ why: String) -> APIError {
    APIError(
      status: 501, type: "api_error", "the Claude CLI can't count the tokens of this request: \(why)",
      code: "not_supported")
  }
}
