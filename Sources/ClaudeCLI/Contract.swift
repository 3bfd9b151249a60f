// SPDX-License-Identifier: MIT
import JSONText

/// All that this room relies on of the CLI's own interface: flags, variables, versions.
///
/// Much of it is undocumented and bound to versions, so it stands in one place. Measured on 2.1.330.
package enum Contract {
  /// The first version whose user frames take `client_composed`, without which `@/path` in a request's text would
  /// send that file of this machine upstream.
  package static let oldestVersion = CLIVersion(2, 1, 248)

  /// The flags of every process that carries requests.
  ///
  /// Nothing of the request is in them but the model's name: any user of the machine can read an argv.
  package static func flags(auth: Auth) -> [String] {
    var flags = [
      "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages",
      "--input-format", "stream-json",
      // Never left out: its absence brings the CLI's own, long one. The request's goes by `initialize`.
      "--system-prompt", "",
      // No tools, servers, settings or commands of this machine.
      "--tools", "", "--strict-mcp-config", "--setting-sources", "", "--disable-slash-commands",
      "--no-session-persistence", "--max-turns", "1", "--permission-mode", "dontAsk",
      // The API's own errors, which stdout tells in other words (``Diagnostic``). The level is a variable.
      "--debug-to-stderr",
    ]
    // Bare adds no reminders, and never reads a login.
    if auth == .key { flags.append("--bare") }
    return flags
  }

  /// The flags that make a process go on from a transcript.
  package static func resuming(_ transcript: String, last: String, model: ModelName) -> [String] {
    ["--model", model.text, "--resume=\(transcript)", "--resume-session-at=\(last)"]
  }

  package static let versionFlags = ["--version"]
  package static let authFlags = ["auth", "status"]

  /// Variables of our own environment that a child may have; all others stay here.
  package static let inherited: Set<String> = [
    "PATH", "HOME", "USER", "LOGNAME", temporary, "LANG", "LANGUAGE", "TZ",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME",
    // Where the login lies, and whom to ask.
    configuration, "ANTHROPIC_BASE_URL",
  ]

  /// Where the CLI keeps its login, and what it knows of its running sessions.
  package static let configuration = "CLAUDE_CONFIG_DIR"
  package static let temporary = "TMPDIR"
  /// A file beside the lock of the login: it names the process that holds the lock.
  package static let loginLockOwner = ".oauth_refresh.lock.owner"

  package static let inheritedPrefix = "LC_"

  /// What pays, by mode. With both at hand the CLI would take the key, so a login never sees one.
  package static func credentials(_ auth: Auth) -> Set<String> {
    switch auth {
    case .key: ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"]
    case .login: ["CLAUDE_CODE_OAUTH_TOKEN"]
    }
  }

  package static let fixed: [(name: String, value: String)] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    // A failed request is the client's to repeat.
    ("CLAUDE_CODE_MAX_RETRIES", "0"),
    ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1"),
    ("CLAUDE_CODE_DISABLE_REFUSAL_RETRY", "1"),
    ("CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK", "1"),
    ("CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS", "1"),
    ("CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP", "1"),
    ("ENABLE_TOOL_SEARCH", "false"),
    ("DISABLE_AUTO_COMPACT", "1"),
    ("DISABLE_COMPACT", "1"),
    // Or a long prompt is refused here and not by the API.
    ("CLAUDE_CODE_BLOCKING_LIMIT_OVERRIDE", "1000000000"),
    // Thinking and effort only where the request asks for them.
    (noThinking, "0"),
    ("CLAUDE_CODE_EFFORT_LEVEL", "unset"),
    ("API_TIMEOUT_MS", "600000"),
    ("CLAUDE_CODE_DEBUG_LOG_LEVEL", "warn"),
  ]

  /// At 0 the CLI asks for no thinking, but adds `temperature: 1` for the models that take one. Read at the start only.
  package static let noThinking = "MAX_THINKING_TOKENS"
  /// What the first of the CLI's own system blocks begins with.
  package static let attribution = "x-anthropic-billing-header:"
  /// What the CLI takes for the second of them, where it is the whole system text.
  package static let identities: Set<String> = [
    "You are Claude Code, Anthropic's official CLI for Claude.",
    "You are Claude Code, Anthropic's official CLI for Claude, running within the Claude Agent SDK.",
    "You are a Claude agent, built on Anthropic's Claude Agent SDK.",
  ]
  /// Names the caller in the user agent.
  package static let clientName = "CLAUDE_AGENT_SDK_CLIENT_APP"
  /// Comma list of beta names, read when the process starts.
  package static let betas = "ANTHROPIC_BETAS"
  /// A JSON object that the CLI spreads over the body it has made, read at each request.
  package static let extraBody = "CLAUDE_CODE_EXTRA_BODY"
  /// Keeps the CLI's own cache marks out; the client's pass as they are.
  package static let disableCaching = "DISABLE_PROMPT_CACHING"
  /// More headers, read at each request. Settings merge, so it is always sent, empty.
  package static let customHeaders = "ANTHROPIC_CUSTOM_HEADERS"

  /// The members of a Messages request that ``extraBody`` may carry.
  ///
  /// Not `stream` (the answer is read as a stream), nor `betas` (would replace the header of the login). `model`,
  /// `messages` and `system` have their own ways.
  package static let carried: Set<String> = [
    "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice", "thinking",
    "output_config", "output_format", "service_tier", "context_management", "container", "mcp_servers",
    "cache_control", "inference_geo", "speed",
  ]

  /// Those that a key alone may send: under a login the CLI's own stay as they are.
  package static let carriedWithKey: Set<String> = ["metadata"]

  /// Those that ``Carrier/verbatim`` carries besides, with a key alone.
  package static let carriedVerbatim: Set<String> = ["messages", "system"]

  /// What the names of models begin with for which the CLI sends no `output_config.effort`, on any way.
  package static let withoutEffort = [
    "claude-3", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2", "claude-sonnet-4-0", "claude-sonnet-4-2",
    "claude-sonnet-4-5", "claude-haiku-4-5",
  ]

  /// What the names of models begin with for which the CLI adds `temperature: 1` while ``noThinking`` is 0.
  ///
  /// For other models it adds no temperature, so that a `top_p` alone needs nothing.
  package static let withTemperature = [
    "claude-2", "claude-instant", "claude-3", "claude-sonnet-4", "claude-haiku-4", "claude-opus-4-0", "claude-opus-4-1",
    "claude-opus-4-2", "claude-opus-4-5", "claude-opus-4-6",
  ]

  /// Whether the API lets a model think where the request says nothing of it, and the CLI would turn that off.
  ///
  /// Of later models the CLI leaves it on by itself, and of earlier ones it is off. A name may end in a date or
  /// a window.
  package static func thinksByDefault(_ name: String) -> Bool {
    ["claude-opus-5", "claude-sonnet-5"].contains { model in
      guard name.hasPrefix(model) else { return false }
      let rest = name.dropFirst(model.count)
      return rest.isEmpty || rest.hasPrefix("-20") || rest.hasPrefix("[") || rest.hasPrefix("@")
    }
  }

  /// What keeps the CLI's own `system` and `metadata` out of a request that has none: means the same as none.
  ///
  /// The `tools: []`, `thinking` and `temperature: 1` that it adds where they are missing are the API's own defaults
  /// (``thinksByDefault(_:)`` sees to that of `thinking`), and can't be kept out: null would be sent as null.
  package static let emptyVerbatim: KeyValuePairs<StaticString, StaticString> = ["system": "[]", "metadata": "{}"]
}

/// Who pays for a request.
package enum Auth: String, CaseIterable, Sendable {
  /// The owner's login with the CLI.
  case login
  /// An API key or a gateway's token, of the environment.
  case key
}

/// A version of the CLI.
package struct CLIVersion: Comparable, CustomStringConvertible, Sendable {
  package var major: Int
  package var minor: Int
  package var patch: Int

  package init(_ major: Int, _ minor: Int, _ patch: Int) {
    (self.major, self.minor, self.patch) = (major, minor, patch)
  }

  /// Reads what `--version` prints: `2.1.330 (Claude Code)`.
  package init?(reading text: String) {
    let word = text.drop { $0 == " " || $0 == "\n" }.prefix { $0 != " " && $0 != "\n" && $0 != "-" && $0 != "+" }
    let parts = word.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2] else { return nil }
    self.init(major, minor, patch)
  }

  package var description: String { "\(major).\(minor).\(patch)" }

  package static func < (one: CLIVersion, other: CLIVersion) -> Bool {
    (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
  }
}

/// A model's name that may stand in an argv.
package struct ModelName: Equatable, Sendable {
  package let text: String

  /// Nil for what no model is named like: not letters, digits and `. _ : @ / - [ ]`, or longer than 128 bytes.
  package init?(_ text: String) {
    guard text.utf8.count <= 128, let first = text.utf8.first, Self.isWord(first),
      text.utf8.allSatisfy({ Self.isWord($0) || ".:@/-[]".utf8.contains($0) })
    else { return nil }
    self.text = text
  }

  private static func isWord(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "_") }
}
