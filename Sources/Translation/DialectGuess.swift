// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Finds out whose API a request speaks that came by a path both vendors' clients use.
///
/// A pure function of headers and body. What is decisive, in this order: `anthropic-version` or `x-api-key` means
/// Anthropic; the User-Agent of an OpenAI client, an `authorization` header, or a mark that only OpenAI's bodies have
/// means OpenAI; else Anthropic.
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
      if let agent, agents.contains(where: { agent.startsWithoutCase($0) }) { return .openai }
      // A client of Anthropic's sends no empty token.
      if auth?.equals("bearer") == true || auth?.equals("empty") == true { return .openai }
    }
    return ChatMarks.isChat(line.payload, operation) ? .openai : .anthropic
  }

  /// How the User-Agent of OpenAI's SDKs, and of clients that speak its API alone, begins, in lower case.
  private static let agents: [StaticString] = ["openai/", "asyncopenai/", "xcode/", "ai-sdk/openai-compatible"]
}

extension ByteSlice {
  /// Whether it begins with that text, which is in lower case, whatever its own case.
  func startsWithoutCase(_ text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount {
      let byte = self[index]
      let lower = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
      if lower != text.utf8Start[index] { return false }
    }
    return true
  }
}
