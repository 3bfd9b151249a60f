// SPDX-License-Identifier: MIT
import JSONText

/// What an answer is made of: told by marks such as `[[len:40]]` in the last user text, or by a script.
///
/// The marks stand in the text of a request or in a script file, in any order:
///
///     [[say:TEXT]]      answer with TEXT instead of an echo
///     [[len:N]]         answer with N words
///     [[thinking]]      think before the text; [[thinking:TEXT]] says what
///     [[redacted]]      a redacted_thinking block before the text
///     [[tool:NAME {}]]  call a tool with that input; may be repeated
///     [[notext]]        no text block
///     [[stop:REASON]]   the stop_reason
///     [[delay:S]]       S seconds before the answer begins
///     [[slow:S]]        S seconds between events
///     [[stamp]]         begin each piece of text with @T and 19 digits of CLOCK_MONOTONIC in nanoseconds and @
///     [[pad:N]]         make each piece of text N bytes long
///     [[error:STATUS]]  fail with that HTTP status; [[errmsg:TEXT]] and [[retryafter:S]] go with it
///     [[sse_error:TYPE]] fail after the first piece of text
struct EchoScript {
  var say: String?
  var words: Int?
  var thinking: String?
  var isRedacted = false
  var tools: [(name: String, input: String)] = []
  var hasText = true
  var stop: String?
  var delay = 0.0
  var pace = 0.0
  var isStamped = false
  var pad = 0
  var error: Int?
  var errorMessage: String?
  var retryAfter: String?
  var streamError: String?

  /// Whether any mark was there.
  private(set) var isEmpty = true

  /// Reads the marks of a text; what isn't a mark is passed over.
  init(_ text: String) {
    var rest = Substring(text)
    while let start = Self.range(of: "[[", in: rest) {
      rest = rest[start.upperBound...]
      guard let end = Self.end(of: rest) else { return }
      take(rest[..<end])
      rest = rest[rest.index(end, offsetBy: 2)...]
    }
  }

  private static func range(of mark: String, in text: Substring) -> Range<Substring.Index>? {
    var at = text.startIndex
    while at < text.endIndex {
      if text[at...].hasPrefix(mark) { return at..<text.index(at, offsetBy: mark.count) }
      at = text.index(after: at)
    }
    return nil
  }

  /// The end of a mark: the last `]]` of a run of brackets, so that a tool's input may end in one.
  private static func end(of text: Substring) -> Substring.Index? {
    guard var end = range(of: "]]", in: text)?.lowerBound else { return nil }
    while true {
      let next = text.index(after: end)
      guard text[next...].hasPrefix("]]") else { return end }
      end = next
    }
  }

  /// Marks come from whoever asks: none of them may end the program.
  private static func bounded(_ number: Int, _ most: Int) -> Int { min(max(number, 0), most) }

  private static func seconds(_ text: String) -> Double {
    guard let seconds = Double(text), seconds > 0 else { return 0 }
    return min(seconds, 86_400)
  }

  private mutating func take(_ mark: Substring) {
    let parts = mark.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts[0]
    let value = parts.count > 1 ? String(parts[1]) : ""
    switch name {
    case "say": say = value
    case "len": words = Int(value).map { Self.bounded($0, 10_000_000) }
    case "thinking": thinking = value.isEmpty ? "Let me think about this step by step." : value
    case "redacted": isRedacted = true
    case "tool":
      let call = value.split(separator: " ", maxSplits: 1)
      tools.append((String(call.first ?? "tool"), call.count > 1 ? String(call[1]) : "{}"))
    case "notext": hasText = false
    case "stop": stop = value
    case "delay": delay = Self.seconds(value)
    case "slow": pace = Self.seconds(value)
    case "stamp": isStamped = true
    case "pad": pad = Self.bounded(Int(value) ?? 0, 1 << 20)
    case "error": error = Int(value).map { (400...599).contains($0) ? $0 : 500 }
    case "errmsg": errorMessage = value
    case "retryafter": retryAfter = value
    case "sse_error": streamError = value.isEmpty ? "overloaded_error" : value
    default: return
    }
    isEmpty = false
  }
}
