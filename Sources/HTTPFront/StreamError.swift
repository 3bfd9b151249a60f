// SPDX-License-Identifier: MIT
import Records

/// How the clients of an API find an error in a stream that has begun.
struct StreamError {
  /// The error is an event called `error`, whose data has the `type` `error`. If false, it is a chunk like all others.
  let isNamed: Bool
  /// The message, the parameter and the code stand beside `error` too.
  let hasMembersOutside: Bool

  /// OpenAI's chat clients look for a member `error` in a chunk, and most other clients do the same.
  private static let usual = StreamError(isNamed: false, hasMembersOutside: false)

  /// Anthropic's clients look for an event by its name.
  ///
  /// Clients of OpenAI's Responses API look in two places. OpenAI's SDK raises an exception for data with a member
  /// `error`, and not for `response.failed`. OpenAI documents an event of type `error` with a message, a parameter and
  /// a code, and the libraries on top of the SDK look for this form. Codex ignores the event, misses
  /// `response.completed` at the end of the stream, and asks again.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses-streaming/error>
  private static let forms: [Dialect: StreamError] = [
    .anthropic: StreamError(isNamed: true, hasMembersOutside: false),
    .auto: StreamError(isNamed: true, hasMembersOutside: false),
    .responses: StreamError(isNamed: true, hasMembersOutside: true),
  ]

  static func form(of dialect: Dialect) -> StreamError { forms[dialect] ?? usual }
}
