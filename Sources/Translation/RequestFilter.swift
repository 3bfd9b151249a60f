// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Models
import Records

/// The settings of a filter that translates requests, and what all such filters do: they read a body, and write the
/// record of the translated one.
struct RequestFilter {
  /// Nil: the built-in one.
  let models: ModelTable?
  let maxTokens: Int
  let isStrict: Bool
  let cachesPrompts: Bool
  let dialect: Dialect

  /// A translated body, and what the record tells beside it.
  struct Translated {
    /// Nil when it has been written.
    var body: JSON?
    var loss: LossLedger
    var mayCache: Bool
    /// What the filter on the answer's side must know, and the member of the ctx where it looks for it.
    var note: JSON?
    var noteName: StaticString
  }

  /// A body as a tree, with how many more values its texts may hold.
  func parse(_ line: Line) throws(APIError) -> (request: JSON, nodesLeft: Int) {
    let request: JSON
    var nodesLeft = JSON.maxNodes
    do throws(JSONError) {
      // The tree dies before the line does.
      request = try JSON.parse(line.payload, lends: true, nodesLeft: &nodesLeft)
    } catch {
      throw APIError(body: error)
    }
    guard request.isObject else { throw .invalid("the body is not a JSON object") }
    return (request, nodesLeft)
  }

  func translator(_ request: JSON, _ names: FieldNames, nodesLeft: Int) -> RequestTranslator {
    RequestTranslator(
      request, names, capabilities: (models ?? .known).capabilities(of: request["model"]?.string ?? ""),
      maxTokens: maxTokens, nodesLeft: nodesLeft)
  }

  func write(_ made: consuming Translated, of line: Line, to out: inout Output) throws(APIError) {
    let loss = made.loss
    if isStrict, !loss.isEmpty {
      throw .invalid("the request can't be translated exactly: \(loss.list)", param: loss.entries[0].field)
    }

    let asksToCache = cachesPrompts && made.mayCache && line.ctx.flatMap { Scan.member("cache", of: $0) } == nil
    var ctx = Bytes(capacity: (line.ctx?.count ?? 0) + 64)
    ctx.append(object: line.ctx, setting: "dialect") {
      $0.append(quoted: dialect.rawValue)
      // Two members by one splice: most requests have no loss.
      if asksToCache, loss.isEmpty { $0.append(#","cache":"auto""#) }
    }
    if !loss.isEmpty {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, adding: loss)
      if asksToCache {
        ctx.removeLast(1)
        ctx.append(#","cache":"auto"}"#)
      }
    }
    if let note = made.note {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, setting: made.noteName) { $0.append(note) }
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) {
      guard let body = made.body.take() else { return }
      // To free each part as soon as it is written takes time, and matters only where it is large.
      if line.payload.count > Limits.ownBuffer { $0.append(consuming: body) } else { $0.append(body) }
    }
  }

  /// The refusal carries the ctx, by which the filter on the answer's side knows whose words to use.
  func refuse(_ line: Line, _ error: APIError, note: JSON? = nil, _ noteName: StaticString = "", to out: inout Output) {
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "dialect") { $0.append(quoted: dialect.rawValue) }
    if let note {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, setting: noteName) { $0.append(note) }
    }
    out.error(error, of: line.rid, isBare: line.isBare, ctx: ctx.slice)
    out.end(line.rid, isBare: line.isBare)
  }
}
