// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Models
import Records

/// Translates requests of OpenAI's Responses API to Anthropic message requests, and answers those of its operations
/// that are not possible here; requests of other dialects pass as they are.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/create>,
///   <https://docs.anthropic.com/en/api/messages>
package struct ResponsesRequestToMessages: RecordFilter {
  package static let side = Side.request

  private static let noteName: StaticString = "resp2anth"
  private let filter: RequestFilter

  /// - Parameters:
  ///   - models: the model table; the built-in one where there is none.
  ///   - maxTokens: the limit sent where a request names none, in tokens.
  ///   - isStrict: refuse what can't be translated exactly.
  ///   - cachesPrompts: let the backend set a cache mark where the client set none.
  package init(
    models: ModelTable? = nil, maxTokens: Int = ModelTable.defaultMaxTokens, isStrict: Bool = false,
    cachesPrompts: Bool = true
  ) {
    filter = RequestFilter(
      models: models, maxTokens: maxTokens, isStrict: isStrict, cachesPrompts: cachesPrompts, dialect: .responses)
  }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    guard line.kind == .request, (Dialect(of: line.ctx) ?? .responses) == .responses else { return out.forward(line) }
    let operation = Operation(of: line.ctx)
    switch operation {
    case .messages: translate(line, to: &out)
    case .countTokens: count(line, to: &out)
    case .models, .model, .health: out.forward(line)
    case .other(let name):
      guard let refusal = Self.refusal(of: name, id: Scan.plainString(line.ctx.flatMap { Scan.member("id", of: $0) }))
      else { return out.forward(line) }
      filter.refuse(line, refusal, to: &out)
    }
  }

  private func translate(_ line: Line, to out: inout Output) {
    var echo: ResponsesEcho?
    do throws(APIError) {
      try filter.write(try translated(line, &echo), of: line, to: &out)
    } catch {
      filter.refuse(line, error, note: echo?.note, Self.noteName, to: &out)
    }
  }

  /// The request's own tree ends here, but for what the response repeats of it.
  private func translated(_ line: Line, _ echo: inout ResponsesEcho?) throws(APIError) -> RequestFilter.Translated {
    let (request, nodesLeft) = try filter.parse(line)
    let stored = RequestTranslator.StoredContext(line.ctx)
    let note = ResponsesEcho(request, keeps: stored.keeps)
    echo = note
    var translator = filter.translator(request, .responses, nodesLeft: nodesLeft)
    let body = try translator.translateResponse(stored)
    note.add(translator)
    return RequestFilter.Translated(
      body: body, loss: translator.loss, mayCache: translator.mayCache, note: note.note, noteName: Self.noteName)
  }

  // MARK: Other operations

  private func count(_ line: Line, to out: inout Output) {
    do throws(APIError) {
      let (request, nodesLeft) = try filter.parse(line)
      var translator = filter.translator(request, .responses, nodesLeft: nodesLeft)
      let body = try translator.translateResponse(RequestTranslator.StoredContext(line.ctx))
      for name in Self.notCounted { body[name] = nil }
      try filter.write(
        RequestFilter.Translated(
          body: body, loss: translator.loss, mayCache: false, note: nil, noteName: Self.noteName), of: line, to: &out)
    } catch {
      filter.refuse(line, error, to: &out)
    }
  }

  /// The fields of a request that its count of tokens doesn't take.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/messages-count-tokens>
  private static let notCounted: [StaticString] = [
    "container", "diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "metadata",
    "service_tier", "stop_sequences", "stream", "temperature", "thread", "top_k", "top_p",
  ]

  /// Without a code of its own, such an error would be one of the prompt.
  private static let unsupported = "unsupported_operation"

  /// The answer to an operation that nothing before this filter has answered; nil for one of somebody else's.
  private static func refusal(of operation: String, id: ByteSlice?) -> APIError? {
    switch operation {
    case "response", "delete_response", "input_items":
      // OpenAI's words and type, and why.
      APIError(
        status: 404, type: "invalid_request_error",
        "Response with id '\((id?.text ?? "").clipped)' not found. This proxy keeps no responses; RESPONSES_STORE=on "
          + "changes that")
    case "cancel_response":
      APIError(
        status: 400, "only responses with background: true can be cancelled, and background is not supported",
        code: unsupported)
    case "compact_response":
      APIError(
        status: 400, "compaction on demand is not supported; send a shorter input, or shorten it on the client's side",
        code: unsupported)
    case "conversations":
      APIError(
        status: 404,
        "conversations are not supported; use previous_response_id, or send the whole conversation as input")
    case "websocket":
      // By this status Codex asks by HTTP at once. By 400 it gives up, and by 404 it tries again for seconds.
      APIError(
        status: 426, "WebSocket is not supported; send POST requests, with stream: true for the answer as it comes")
    default: nil
    }
  }
}
