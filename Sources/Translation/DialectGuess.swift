// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Finds out whose API a request speaks that came by a path both vendors' clients use.
///
/// A pure function of headers and body. What is decisive, in this order: `anthropic-version` or `x-api-key` means
/// Anthropic; the User-Agent of OpenAI's SDKs, a bearer token, or a mark that only OpenAI's bodies have means OpenAI;
/// else Anthropic.
enum DialectGuess {
  static func dialect(of line: Line, _ operation: Operation) -> Dialect {
    // One list serves both vendors' clients, and anth2oai makes it.
    if operation == .models || operation == .model { return .openai }
    if let http = line.ctx.flatMap({ Scan.member("http", of: $0) }) {
      let headers = Scan.member("headers", of: http)
      let auth = Scan.plainString(Scan.member("auth", of: http))
      if headers.flatMap({ Scan.member("anthropic-version", of: $0) }) != nil || auth?.equals("x-api-key") == true {
        return .anthropic
      }
      let agent = headers.flatMap { Scan.plainString(Scan.member("user-agent", of: $0)) }
      if agent?.starts(with: "OpenAI/") == true || agent?.starts(with: "AsyncOpenAI/") == true { return .openai }
      if auth?.equals("bearer") == true { return .openai }
    }
    return hasChatMark(line.payload) ? .openai : .anthropic
  }

  private static func hasChatMark(_ body: ByteSlice) -> Bool {
    var found = false
    Scan.members(body) { key, value in
      switch key.count {
      case 1: found = key.equals("n")
      case 4: found = key.equals("stop")
      case 5: found = key.equals("tools") && anyElement(of: value) { Scan.member("function", of: $0) != nil }
      case 8: found = key.equals("messages") && anyElement(of: value, isChatMessage)
      case 9: found = key.equals("functions")
      case 14: found = key.equals("stream_options")
      case 15: found = key.equals("response_format")
      case 21: found = key.equals("max_completion_tokens")
      default: break
      }
      return !found
    }
    return found
  }

  private static func isChatMessage(_ message: ByteSlice) -> Bool {
    guard let role = Scan.plainString(Scan.member("role", of: message)) else { return false }
    return role.equals("developer") || role.equals("tool")
  }

  private static func anyElement(of array: ByteSlice, _ isOne: (ByteSlice) -> Bool) -> Bool {
    var found = false
    Scan.elements(array) { element in
      found = isOne(element)
      return !found
    }
    return found
  }
}
