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

  private let models: ModelTable
  private let maxTokens: Int
  private let isStrict: Bool
  private let cachesPrompts: Bool

  /// - Parameters:
  ///   - maxTokens: the limit sent where a request names none, in tokens.
  ///   - isStrict: refuse what can't be translated exactly.
  ///   - cachesPrompts: let the backend set a cache mark where the client set none.
  package init(
    models: ModelTable, maxTokens: Int = TranslationLimits.defaultMaxTokens, isStrict: Bool = false,
    cachesPrompts: Bool = true
  ) {
    self.models = models
    self.maxTokens = maxTokens
    self.isStrict = isStrict
    self.cachesPrompts = cachesPrompts
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
      try translate(line, to: &out)
    } catch {
      // The refusal carries the ctx, by which anth2oai knows whose words to use.
      var ctx = Bytes()
      ctx.append(object: line.ctx, setting: "dialect") { $0.append(#""openai""#) }
      out.error(error, of: line.rid, isBare: line.isBare, ctx: ctx.slice)
      out.end(line.rid, isBare: line.isBare)
    }
  }

  /// Forwards a request whose dialect was found out, with the finding in its ctx.
  private func pass(_ line: Line, as dialect: Dialect, to out: inout Output) {
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "dialect") { $0.append(quoted: dialect.rawValue) }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { $0.append(line.payload) }
  }

  /// A translated body, and what the record tells beside it.
  private struct Translated {
    /// Nil when it has been written.
    var body: JSON?
    var loss: LossLedger
    var mayCache: Bool
    var includesUsage: Bool
    /// What anth2oai must know of the tools.
    var tools: JSON?
  }

  /// The request's own tree ends here, before the translation is written: both are large, and so is the text.
  private func translated(_ line: Line) throws(APIError) -> Translated {
    let request: JSON
    var nodesLeft = JSON.maxNodes
    do throws(JSONError) {
      // The tree dies before the line does.
      request = try JSON.parse(line.payload, lends: true, nodesLeft: &nodesLeft)
    } catch {
      throw APIError(body: error)
    }
    guard request.isObject else { throw .invalid("the body is not a JSON object") }
    let model = request["model"]?.string ?? ""
    var translator = ChatRequestTranslator(
      request, capabilities: models.capabilities(of: model), maxTokens: maxTokens, nodesLeft: nodesLeft)
    let body = try translator.translate()
    return Translated(
      body: body, loss: translator.loss, mayCache: translator.mayCache,
      includesUsage: request["stream_options"]?["include_usage"]?.bool == true,
      tools: translator.toolNames.forTheAnswer)
  }

  private func translate(_ line: Line, to out: inout Output) throws(APIError) {
    var made = try translated(line)
    let loss = made.loss
    if isStrict, !loss.isEmpty {
      throw .invalid("the request can't be translated exactly: \(loss.list)", param: loss.entries[0].field)
    }

    let asksToCache = cachesPrompts && made.mayCache && line.ctx.flatMap { Scan.member("cache", of: $0) } == nil
    var ctx = Bytes(capacity: (line.ctx?.count ?? 0) + 64)
    ctx.append(object: line.ctx, setting: "dialect") {
      // Two members by one splice: most requests have no loss.
      $0.append(asksToCache && loss.isEmpty ? #""openai","cache":"auto""# : #""openai""#)
    }
    if !loss.isEmpty {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, adding: loss)
      if asksToCache {
        ctx.removeLast(1)
        ctx.append(#","cache":"auto"}"#)
      }
    }
    if made.includesUsage || made.tools != nil {
      let note = JSON(object: ["include_usage": made.includesUsage ? JSON(true) : nil, "tools": made.tools])
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, setting: "oai2anth") { $0.append(note) }
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) {
      guard let body = made.body.take() else { return }
      // To free each part as soon as it is written takes time, and matters only where it is large.
      if line.payload.count > Limits.ownBuffer { $0.append(consuming: body) } else { $0.append(body) }
    }
  }
}
