// SPDX-License-Identifier: MIT
import Records

/// How the clients of an API find an error in a stream that has begun.
struct StreamError {
  /// It is an event called `error`, whose data has that `type`. Without this it is a chunk like all others.
  let isNamed: Bool
  /// The message, the parameter and the code stand beside `error` too.
  let hasMembersOutside: Bool

  /// OpenAI's clients look for a member `error` in a chunk, and most others do as they do.
  private static let usual = StreamError(isNamed: false, hasMembersOutside: false)

  /// Anthropic's clients look for an event by its name.
  ///
  /// What reads OpenAI's Responses looks in two places. OpenAI's SDK raises an exception for whatever has a member
  /// `error`; of `response.failed` it makes an event like all others. An event of type `error` with a message, a
  /// parameter and a code beside it is what OpenAI documents, and what the libraries on top of the SDK look for. Codex
  /// passes over it, misses `response.completed` at the end of the stream, and asks again.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses-streaming/error>
  private static let forms: [Dialect: StreamError] = [
    .anthropic: StreamError(isNamed: true, hasMembersOutside: false),
    .auto: StreamError(isNamed: true, hasMembersOutside: false),
    .responses: StreamError(isNamed: true, hasMembersOutside: true),
  ]

  static func form(of dialect: Dialect) -> StreamError { forms[dialect] ?? usual }
}
