// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Models
import Records

/// Translates OpenAI chat requests to Anthropic message requests; requests of the other dialect pass as they are.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/chat/create>,
///   <https://docs.anthropic.com/en/api/messages>
package struct ChatRequestToMessages: RecordFilter {
  package static let side = Side.request

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
      models: models, maxTokens: maxTokens, isStrict: isStrict, cachesPrompts: cachesPrompts, dialect: .openai)
  }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    guard line.kind == .request else { return out.forward(line) }
    let named = Dialect(of: line.ctx) ?? .openai
    let operation = Operation(of: line.ctx)
    let dialect = named == .auto ? DialectGuess.dialect(of: line, operation) : named
    guard dialect == .openai, operation == .messages else {
      return named == .auto ? pass(line, as: dialect, to: &out) : out.forward(line)
    }
    do throws(APIError) {
      try filter.write(try translated(line), of: line, to: &out)
    } catch {
      filter.refuse(line, error, to: &out)
    }
  }

  /// Forwards a request whose dialect was found out, with the finding in its ctx.
  private func pass(_ line: Line, as dialect: Dialect, to out: inout Output) {
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "dialect") { $0.append(quoted: dialect.rawValue) }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { $0.append(line.payload) }
  }

  /// The request's own tree ends here, before the translation is written: both are large, and so is the text.
  private func translated(_ line: Line) throws(APIError) -> RequestFilter.Translated {
    let (request, nodesLeft) = try filter.parse(line)
    var translator = filter.translator(request, .chat, nodesLeft: nodesLeft)
    let body = try translator.translateChat()
    let includesUsage = request["stream_options"]?["include_usage"]?.bool == true
    // What anth2oai must know of the tools.
    let tools = translator.toolNames.forTheAnswer
    let note =
      includesUsage || tools != nil
      ? JSON(object: ["include_usage": includesUsage ? JSON(true) : nil, "tools": tools]) : nil
    return RequestFilter.Translated(
      body: body, loss: translator.loss, mayCache: translator.mayCache, note: note, noteName: "oai2anth")
  }
}
