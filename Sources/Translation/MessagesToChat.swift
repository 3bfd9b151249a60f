// SPDX-License-Identifier: MIT
import Records

/// Translates Anthropic answers to OpenAI ones; answers of the other dialect pass as they are.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>,
///   <https://platform.openai.com/docs/api-reference/chat/streaming>
package struct MessagesToChat: RecordFilter {
  package static let side = Side.answer

  /// What answers take that came without a ctx.
  package struct Defaults: Sendable {
    /// Seconds since the epoch, for `created`.
    package var created = 0
    /// Whether a stream ends with a chunk of the usage.
    package var includeUsage = false

    package init(created: Int = 0, includeUsage: Bool = false) {
      self.created = created
      self.includeUsage = includeUsage
    }
  }

  private var translator: AnswerTranslator<ChatAnswer>

  package init(defaults: Defaults = Defaults()) { translator = AnswerTranslator(defaults) }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    try translator.take(line, to: &out)
  }

  package mutating func forget(_ id: RequestID) { translator.forget(id) }
  package mutating func finish(to out: inout Output) { translator.finish(to: &out) }
}
