// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Which variables of the environment are secrets, and which programs of a pipeline get them.
///
/// A stage gets the whole environment except for secrets. A secret goes to the stages that run a program which declares
/// it: the table below declares those of the project's own backends, and `--stage-env` those of others.
package struct Secrets: Sendable {
  /// The tokens that let clients in: no stage gets them.
  static let clientTokens = ["AUTH_TOKEN", "BEARER_TOKEN"]

  /// A variable that has such a word in its name is a secret, or says where one is.
  private static let words: Set<Substring> = [
    "APIKEY", "AUTHORIZATION", "COOKIE", "CREDENTIAL", "CREDENTIALS", "KEY", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD",
    "SECRET", "SECRETS", "TOKEN", "WEBHOOK",
  ]
  /// Names that end like this are written without an underscore: `PGPASSWORD`.
  private static let ends = ["APIKEY", "PASSWD", "PASSWORD"]
  /// Headers that Claude Code sends along, which people put keys into; and where our clients' tokens are.
  private static let others: Set<String> = ["ANTHROPIC_CUSTOM_HEADERS", "AUTH_TOKENS_FILE"]

  /// Proxies, whose URLs may hold a password.
  private static let proxies: Set<String> = [
    "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
  ]

  /// The secrets of the project's own programs, by the program's name.
  private static let declared: [String: Set<String>] = [
    "claude-http": proxies.union([
      "ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN_FILE",
      "CREDENTIALS_DIRECTORY",
    ]),
    "claude-exec": proxies.union([
      "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CREDENTIALS_DIRECTORY",
    ]),
  ]

  /// The secrets of further programs.
  private var added: [String: Set<String>] = [:]

  package init() {}

  /// Reads `PROGRAM=NAME[,NAME]...`, several of them with blanks between them; nil where it is something else.
  package init?(reading text: String) {
    for entry in text.split(whereSeparator: \.isWhitespace) {
      let parts = entry.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { return nil }
      let names = parts[1].split(separator: ",")
      guard !names.isEmpty, names.allSatisfy(Self.isName), names.allSatisfy({ !Self.clientTokens.contains(String($0)) })
      else { return nil }
      added[Self.lastPart(parts[0]), default: []].formUnion(names.map(String.init))
    }
  }

  private static func isName(_ text: Substring) -> Bool {
    text.utf8.allSatisfy { $0 == UInt8(ascii: "_") || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) }
  }

  /// Whether a variable is kept from the stages that don't declare it.
  static func isSecret(_ name: String, value: some Sequence<UInt8>) -> Bool {
    let upper = name.uppercased()
    return others.contains(name) || upper.split(separator: "_").contains { words.contains($0) }
      || ends.contains { upper.hasSuffix($0) } || hasPassword(String(decoding: Array(value), as: UTF8.self))
  }

  /// Whether a text is a URL that has more before its host: `https://name:password@host`.
  private static func hasPassword(_ text: String) -> Bool {
    guard let scheme = text.before("://") else { return false }
    let rest = text[scheme.endIndex...].dropFirst(3)
    return rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }.contains("@")
  }

  /// The secrets of a stage: those of every program that one of its words names, since `record FILE -- claude-http` and
  /// `nice claude-http` run a backend too.
  func names(for words: [String]) -> Set<String> {
    Self.programs(of: words).reduce(into: []) { names, program in
      names.formUnion(Self.declared[program] ?? [])
      names.formUnion(added[program] ?? [])
    }
  }

  /// Whether a stage runs one of the project's own backends.
  static func isBackend(_ words: [String]) -> Bool { programs(of: words).contains { declared[$0] != nil } }

  private static func programs(of words: [String]) -> Set<String> {
    var programs = Set(words.map { lastPart($0[...]) })
    // The text of a claude-pipe is stages itself, and another program may start it, as in `nice claude-pipe 'a | b'`.
    let last = Array(words.suffix(2))
    let stages = PipelineText.expanded([last])
    if stages != [last] {
      for words in stages { programs.formUnion(Self.programs(of: words)) }
    }
    // The text of a shell is words itself.
    if ["sh", "bash", "dash"].contains(lastPart((words.first ?? "")[...])) {
      let syntax: Set<Character> = ["|", "&", ";", "(", ")", "<", ">", "'", "\""]
      for word in words.dropFirst() {
        for part in word.split(whereSeparator: { $0.isWhitespace || syntax.contains($0) }) {
          programs.insert(lastPart(part))
        }
      }
    }
    return programs
  }

  /// The name of a program without its folder.
  static func lastPart(_ path: Substring) -> String {
    String(path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path)
  }
}
