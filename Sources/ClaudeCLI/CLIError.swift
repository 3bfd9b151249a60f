// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// Turns what the CLI says of a failure into the error that the API would have given.
///
/// Status and type are the upstream's own where there was an upstream; the message is the CLI's wording of it, freed
/// of what speaks to a person at the CLI's own prompt.
package enum CLIError {
  /// The longest `retry-after`, in seconds: the longest limit of a login lasts a week.
  static let longestWait = 31 * 86_400

  /// - Parameters:
  ///   - result: the CLI's `result` line.
  ///   - resetsIn: seconds until the login's window opens again, if the CLI reported them.
  ///   - refusal: the API's own error, if the CLI's log has it.
  package static func of(
    result line: ByteSlice, auth: Auth, resetsIn: Int?, refusal: APIError? = nil
  ) -> APIError {
    guard let result = try? JSON.parse(mending: line) else { return broken("the Claude CLI's last line can't be read") }
    let text = result["result"]?.string ?? ""
    let told = result["api_error_status"]?.integer
    // The login has run out: the CLI doesn't repeat what the upstream said.
    if auth == .login, isLoginOver(text) { return notLoggedIn }
    guard let status = told ?? refusal?.status, (400..<600).contains(status) else { return unnumbered(text, result) }
    if status == 401, text.mentions("Please run /login") { return notLoggedIn }
    var error: APIError
    if var refusal, told == nil || told == refusal.status {
      if status == 401, auth == .login { refusal.message += advice }
      error = refusal
    } else {
      error = APIError(
        status: status, type: result["api_error_type"]?.string, message(text, status: status, auth: auth))
    }
    if status == 429, let resetsIn { error.headers = [("retry-after", String(max(resetsIn, 1)))] }
    if status == 404, text.hasPrefix("There's an issue with the selected model (") { error.param = "model" }
    return error
  }

  /// Whether the CLI says that its login can't be used any more, and can't be refreshed.
  private static func isLoginOver(_ text: String) -> Bool {
    text.mentions("OAuth session expired") || text.mentions("OAuth token has expired")
      || text.mentions("OAuth token revoked") || text.hasPrefix("Not logged in")
      || text.mentions("Please run /login")
  }

  private static let advice = " (run `claude` on the proxy's machine and type /login)"

  /// The stream of an answer broke off.
  package static let streamBroke = broken("the API's stream ended before the message did")

  /// The API ended the stream by an error event, and the CLI doesn't tell which.
  package static let streamFailed = broken("the API reported an error in the middle of its answer")

  /// No one is logged in, and there is no key.
  package static let notLoggedIn = APIError(
    status: 401,
    "the Claude CLI is not logged in: run `claude` on the proxy's machine and type /login, or set ANTHROPIC_API_KEY "
      + "for the proxy")

  package static let notFound = APIError(
    status: 503, type: "api_error",
    "Claude CLI not found on the proxy's machine: install it (`npm install -g @anthropic-ai/claude-code`, or the "
      + "installer at https://claude.com/claude-code) or set CLAUDE_CLI_PATH; the proxy's log names the places searched"
  )

  package static func tooOld(_ version: CLIVersion) -> APIError {
    APIError(
      status: 503, type: "api_error",
      "the Claude CLI is too old: version \(version), at least \(Contract.oldestVersion) is needed; run `claude update`"
    )
  }

  /// It ends before it has taken anything.
  static func endsAtStart(_ end: String) -> APIError {
    APIError(
      status: 503, type: "api_error",
      "the Claude CLI ends as soon as it starts (\(end)): run `claude` on the proxy's machine to see why")
  }

  package static func broken(_ message: String) -> APIError { APIError(status: 502, message) }

  /// A failure without an HTTP status behind it.
  private static func unnumbered(_ text: String, _ result: JSON) -> APIError {
    if text.hasPrefix("Not logged in") || text.mentions("Please run /login") { return notLoggedIn }
    if text.hasPrefix("Prompt is too long") { return .invalid("prompt is too long") }
    // Refused by the CLI itself, as the API would.
    if result["terminal_reason"]?.equals("image_error") == true { return .invalid(stripped(text, status: nil)) }
    if text.hasPrefix("Request timed out") { return APIError(status: 504, "the request to the API timed out") }
    if result["api_error"]?.equals("connection_failed") == true { return broken(stripped(text, status: nil)) }
    let details = result["errors"]?.elements.compactMap { $0.string } ?? []
    // Its text names the transcript's path.
    if details.contains(where: { $0.hasPrefix("No conversation found") }) {
      return APIError(status: 500, "the Claude CLI could not read the conversation")
    }
    if !text.isEmpty { return broken(stripped(text, status: nil)) }
    let reason = result["terminal_reason"]?.string ?? result["subtype"]?.string ?? "unknown"
    return broken("the Claude CLI ended the turn without an answer (\(reason))")
  }

  private static func message(_ text: String, status: Int, auth: Auth) -> String {
    if status == 404, let name = between("There's an issue with the selected model (", ")", in: text) {
      return "model: \(name)"
    }
    if status == 401, auth == .key, text.hasPrefix("Invalid API key") { return "invalid x-api-key" }
    // In the API's words, as far as the CLI tells them: nothing was removed from the request.
    if text.hasPrefix("Prompt is too long") { return "prompt is too long" }
    if let media = between("API Error: ", " in the conversation could not be processed", in: text) {
      return "the API could not process \(media) of the request"
    }
    let message = stripped(text, status: status)
    if status == 401, auth == .login {
      return message + advice
    }
    return message.isEmpty ? "the API answered with status \(status)" : message
  }

  /// The message without the CLI's own words around it.
  private static func stripped(_ text: String, status: Int?) -> String {
    var rest = Substring(text)
    func drop(_ prefix: String) {
      if rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
    }
    drop("Failed to authenticate. ")
    drop("API Error: ")
    if let status {
      drop("\(status) ")
      drop("Request rejected (\(status)) · ")
    }
    // Followed by advice that names a host of this machine's settings.
    return String(rest.before(". This is a server-side issue") ?? rest)
  }

  private static func between(_ start: String, _ end: String, in text: String) -> String? {
    guard text.hasPrefix(start) else { return nil }
    let rest = text.dropFirst(start.count)
    return rest.before(end).map { String($0) }
  }
}
