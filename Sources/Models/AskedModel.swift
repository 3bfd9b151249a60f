// SPDX-License-Identifier: MIT

/// A model's name as clients write it, taken apart.
///
/// Routers and clouds dress the API's names: `openrouter/anthropic/claude-sonnet-4.5:thinking`,
/// `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `claude-sonnet-4-5@20250929`, `Claude Sonnet 4.5 [1m]`. The rules
/// here undress a name. Whether a model of that name exists, the table says.
struct AskedModel {
  /// The names that it may stand for, the likeliest first.
  private(set) var candidates: [String]
  /// The name without its dress.
  private(set) var plain: String
  /// It asks for the window of a million tokens.
  private(set) var wantsMillion = false
  /// It asks for thinking.
  private(set) var wantsThinking = false
  /// What else it asks a router for, with the colon.
  private(set) var routing: String?

  /// The longest name that is taken apart, in bytes.
  static let longest = 256

  init(_ name: String) {
    candidates = [name]
    plain = name
    guard name.utf8.count <= Self.longest else { return }
    var text = Self.trimmed(name).lowercased()
    if text.hasSuffix("[1m]") {
      wantsMillion = true
      text = Self.trimmed(String(text.dropLast(4)))
    }
    // The name of the seller comes first: `openrouter/anthropic/…`, or a cloud's resource name.
    if let slash = text.lastIndex(of: "/") { text = String(text[text.index(after: slash)...]) }
    takeColons(&text)
    takeCloud(&text)
    plain = text
    add(text)
    addVariants(of: text)
  }

  /// `claude:opus` and `anthropic:claude-opus-5` name a vendor first, `…:thinking` and `…-v1:0` a variant last.
  private mutating func takeColons(_ text: inout String) {
    var rest: [Substring] = []
    for word in text.split(separator: ":") {
      switch word {
      case "1m": wantsMillion = true
      case "thinking": wantsThinking = true
      case "extended", "exacto", "floor", "nitro", "online": routing = ":" + word
      case "beta", "free", "latest", "self-moderated": continue
      case let word where word.allSatisfy(\.isNumber) || (word.last == "k" && word.dropLast().allSatisfy(\.isNumber)):
        continue
      default: rest.append(word)
      }
    }
    if let last = rest.last { text = String(last) }
  }

  /// Bedrock's `us.anthropic.NAME-v1`, and Vertex AI's `NAME@20250929`.
  private func takeCloud(_ text: inout String) {
    let parts = text.split(separator: ".")
    if let vendor = parts.lastIndex(of: "anthropic"), vendor + 1 < parts.count {
      text = parts[(vendor + 1)...].joined(separator: ".")
    }
    if let at = text.lastIndex(of: "@") {
      let version = text[text.index(after: at)...]
      text = String(text[..<at]) + (version.allSatisfy(\.isNumber) ? "-" + version : "")
    }
    let words = text.split(separator: "-")
    if words.count > 2, let last = words.last, last.first == "v", last.dropFirst().allSatisfy(\.isNumber) {
      text = words.dropLast().joined(separator: "-")
    }
  }

  private mutating func addVariants(of text: String) {
    var words = text.split { ". _-".contains($0) }.map(String.init)
    if words.count > 1, words.last == "thinking" {
      wantsThinking = true
      words.removeLast()
    }
    add(words)
    if words.last == "latest" { words.removeLast() }
    add(words)
    guard let first = words.first else { return }
    if first == "claude" { plain = words.joined(separator: "-") }
    // `claude-4.5-sonnet`, as the names before the fourth generation were made.
    let family = words.firstIndex { !$0.allSatisfy(\.isNumber) && $0 != "claude" }
    if first == "claude", let family, family > 1 { words.insert(words.remove(at: family), at: 1) }
    add(words)
    if words.count > 1, let last = words.last, last.utf8.count == 8, last.allSatisfy(\.isNumber) { words.removeLast() }
    add(words)
    // `claude-opus` is `opus`, and `opus-4-5` is `claude-opus-4-5`.
    add(first == "claude" ? Array(words.dropFirst()) : ["claude"] + words)
  }

  private mutating func add(_ words: [String]) { add(words.joined(separator: "-")) }

  private mutating func add(_ name: String) {
    if !name.isEmpty, !candidates.contains(name) { candidates.append(name) }
  }

  private static func trimmed(_ text: String) -> String {
    var text = text[...].drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
