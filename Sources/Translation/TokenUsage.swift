// SPDX-License-Identifier: MIT
import Jansson

/// How many tokens an answer took, in OpenAI's terms.
///
/// Anthropic counts what the cache gave and took apart from the input; OpenAI counts it in.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance>
struct TokenUsage {
  private let input: Int
  private let output: Int
  private let read: Int
  private let written: Int
  private let reasoning: Int?
  /// What OpenAI has no name for keeps its own: searches and tiers are billed by it.
  private let own: [(name: String, value: JSON)]

  /// - Parameter usage: the `usage` of a message.
  init(_ usage: JSON) {
    read = usage["cache_read_input_tokens"]?.integer ?? 0
    written = usage["cache_creation_input_tokens"]?.integer ?? 0
    input = Self.sum(Self.sum(usage["input_tokens"]?.integer ?? 0, read), written)
    output = usage["output_tokens"]?.integer ?? 0
    reasoning = usage["output_tokens_details"]?["thinking_tokens"]?.integer
    own = usage.members.filter { !Self.named.contains($0.key) && !$0.value.isNull }.map { ($0.key, $0.value) }
  }

  /// The usage of a chat completion.
  var ofCompletion: JSON {
    withOwn(
      JSON(object: [
        "prompt_tokens": JSON(input), "completion_tokens": JSON(output),
        "total_tokens": JSON(Self.sum(input, output)),
        "prompt_tokens_details": JSON(object: [
          "cached_tokens": JSON(read), "cache_write_tokens": written > 0 ? JSON(written) : nil,
        ]),
        "completion_tokens_details": reasoning.map { JSON(object: ["reasoning_tokens": JSON($0)]) },
      ]))
  }

  /// The usage of a response, in which every count is always there.
  var ofResponse: JSON {
    withOwn(
      JSON(object: [
        "input_tokens": JSON(input),
        "input_tokens_details": JSON(object: [
          "cached_tokens": JSON(read), "cache_write_tokens": JSON(written),
        ]),
        "output_tokens": JSON(output),
        "output_tokens_details": JSON(object: ["reasoning_tokens": JSON(reasoning ?? 0)]),
        "total_tokens": JSON(Self.sum(input, output)),
      ]))
  }

  private func withOwn(_ made: JSON) -> JSON {
    for (name, value) in own { made[name] = value }
    return made
  }

  /// The members that have another name in OpenAI's terms, or another meaning.
  private static let named: Set<String> = [
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details",
  ]

  /// The sum, as far as it can be said: what an upstream reports must not be able to end the program.
  private static func sum(_ one: Int, _ other: Int) -> Int {
    let (sum, overflows) = one.addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}
