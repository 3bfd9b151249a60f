// SPDX-License-Identifier: MIT

/// Defaults and bounds of the translation, in one place.
package enum TranslationLimits {
  /// The smallest thinking budget that the Messages API takes, in tokens.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>
  static let minThinkingBudget = 1_024

  /// The thinking budgets, in tokens, of OpenAI's reasoning efforts on models without adaptive thinking.
  static let thinkingBudgets: [String: Int] = ["minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576]

  /// The lowest `top_p` that the Messages API takes together with thinking.
  static let minTopPWithThinking = 0.95

  /// The longest title of a document that the Messages API takes, in characters.
  static let maxTitle = 500

  /// The cache marks of one request that the Messages API takes.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>
  static let maxCacheMarks = 4
}
