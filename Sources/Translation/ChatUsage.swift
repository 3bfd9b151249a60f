// SPDX-License-Identifier: MIT
import Jansson

/// OpenAI's usage of Anthropic's.
enum ChatUsage {
  /// Anthropic counts what the cache gave and took apart from the input; OpenAI counts it in.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance>
  static func usage(of usage: JSON) -> JSON {
    let read = usage["cache_read_input_tokens"]?.integer ?? 0
    let written = usage["cache_creation_input_tokens"]?.integer ?? 0
    let prompt = sum(sum(usage["input_tokens"]?.integer ?? 0, read), written)
    let completion = usage["output_tokens"]?.integer ?? 0
    let reasoning = usage["output_tokens_details"]?["thinking_tokens"]?.integer
    let made = JSON(object: [
      "prompt_tokens": JSON(prompt), "completion_tokens": JSON(completion),
      "total_tokens": JSON(sum(prompt, completion)),
      "prompt_tokens_details": JSON(object: [
        "cached_tokens": JSON(read), "cache_write_tokens": written > 0 ? JSON(written) : nil,
      ]),
      "completion_tokens_details": reasoning.map { JSON(object: ["reasoning_tokens": JSON($0)]) },
    ])
    // What OpenAI has no name for keeps its own: searches and tiers are billed by it.
    for (name, value) in usage.members where !named.contains(name) && !value.isNull { made[name] = value }
    return made
  }

  /// The members that have another name above.
  private static let named: Set<String> = [
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details",
  ]

  /// The sum, as far as it can be said: what an upstream reports must not be able to end the program.
  private static func sum(_ one: Int, _ other: Int) -> Int {
    let (sum, overflows) = one.addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}
