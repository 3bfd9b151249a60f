// SPDX-License-Identifier: MIT
import Records

/// Translates Anthropic answers to OpenAI responses; answers of other dialects pass as they are.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>,
///   <https://platform.openai.com/docs/api-reference/responses>
package struct MessagesToResponses: RecordFilter {
  package static let side = Side.answer

  /// What answers take that came without a ctx.
  package struct Defaults: Sendable {
    /// Seconds since the epoch, for `created_at`.
    package var created = 0

    package init(created: Int = 0) { self.created = created }
  }

  private var translator: AnswerTranslator<ResponsesAnswer>

  package init(defaults: Defaults = Defaults()) { translator = AnswerTranslator(defaults) }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    try translator.take(line, to: &out)
  }

  package mutating func forget(_ id: RequestID) { translator.forget(id) }
  package mutating func finish(to out: inout Output) { translator.finish(to: &out) }
}
