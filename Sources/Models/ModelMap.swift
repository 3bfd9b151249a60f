// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Puts the effective name of the model into each request: a current one for a retired, an alias or none.
///
/// The name is spliced; every other byte of the body stays as it came. The ctx gets `model:{"asked","effective"}`.
package struct ModelMap: RecordFilter {
  package static let side = Side.request

  private let table: ModelTable
  private let defaultModel: String
  /// Names that are resolved already. To compare a name with all patterns takes most of the time of a small request.
  private var resolutions: [[UInt8]: ModelTable.Resolution] = [:]
  /// How many names are kept. When one more comes, all are dropped.
  private static let mostResolutions = 64

  package init(_ table: ModelTable, defaultModel: String? = nil) {
    self.table = table
    self.defaultModel = table.effective(defaultModel ?? table.defaultModel)
  }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    let operation = Operation(of: line.ctx)
    guard line.kind == .request else { return out.forward(line) }
    if operation == .model { return resolveID(line, to: &out) }
    guard operation == .messages || operation == .countTokens, line.payload.first == UInt8(ascii: "{")
    else { return out.forward(line) }

    var named: [ByteSlice] = []
    var isString = true
    var saysHowToThink = false
    let asking = Self.fieldsThatAskToThink[Dialect(of: line.ctx)]
    // A null says nothing, and what asks to think takes its place: of repeated keys the last one would count.
    var unsaid: ByteSlice?
    let isWhole = Scan.members(line.payload) { key, value in
      if key.equals("model") {
        named.append(value)
        isString = value[0] == UInt8(ascii: "\"") || value.equals("null")
      } else if key.equals("reasoning_effort") || key.equals("thinking") || key.equals("reasoning") {
        if !value.equals("null") {
          saysHowToThink = true
        } else if let asking, key.equals(asking.key) {
          unsaid = value
        }
      }
      return true
    }
    // What isn't a name, or is cut, is refused by those who need one.
    guard isWhole, isString else { return out.forward(line) }
    var asked = defaultModel
    var isNamed = false
    // Of repeated keys the last one counts; null is no name.
    if let last = named.last, !last.equals("null") {
      var name = Bytes()
      guard name.append(unescaped: last.cut(1, last.count - 1)) else { return out.forward(line) }
      // An empty name is no name either.
      if !name.text.allSatisfy(\.isWhitespace) {
        asked = name.text
        isNamed = true
      }
    }
    let resolved = resolve(asked)
    if line.isBare, isNamed, resolved.model == asked { return out.forward(line) }
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "model") {
      $0.append(#"{"asked":"#)
      $0.append(quoted: asked)
      $0.append(#","effective":"#)
      $0.append(quoted: resolved.model)
      $0.append("}")
    }
    var losses = LossLedger()
    if resolved.wantsMillion { widen(resolved.model, &ctx, &losses) }
    // OpenAI's fields ask for it in a way that the translators fit to the rest of the request.
    let isToAsk = resolved.wantsThinking && !saysHowToThink
    if isToAsk, asking == nil {
      losses.add("model", "dropped :thinking, since the request must say how to think")
    }
    if let routing = resolved.routing { losses.add("model", "dropped \(routing), since there is no router") }
    if !losses.isEmpty {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, adding: losses)
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) {
      Self.splice(
        resolved.model, for: named, into: line.payload, asking: isToAsk ? asking : nil, in: isToAsk ? unsaid : nil,
        to: &$0)
    }
  }

  /// What a request says that asks to think, by its dialect.
  private static let fieldsThatAskToThink: [Dialect?: (key: StaticString, value: StaticString)] = [
    .openai: ("reasoning_effort", #""medium""#), .responses: ("reasoning", #"{"effort":"medium"}"#),
  ]

  private mutating func resolve(_ asked: String) -> ModelTable.Resolution {
    // By bytes, as the table compares names.
    let name = Array(asked.utf8)
    if let kept = resolutions[name] { return kept }
    var resolved = table.resolve(asked)
    // Clients whose settings want some name send this one.
    if resolved.model == "default" { resolved = ModelTable.Resolution(model: defaultModel) }
    // A client can send a name of any length, so long ones are not kept.
    guard name.count <= AskedModel.longest else { return resolved }
    if resolutions.count == Self.mostResolutions { resolutions.removeAll() }
    resolutions[name] = resolved
    return resolved
  }

  /// Puts the effective name into a request that asks about one model.
  private mutating func resolveID(_ line: Line, to out: inout Output) {
    guard let id = Scan.plainString(line.ctx.flatMap { Scan.member("model_id", of: $0) }) else {
      return out.forward(line)
    }
    let asked = id.text
    let effective = resolve(asked).model
    guard effective != asked else { return out.forward(line) }
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "model_id") { $0.append(quoted: effective) }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { $0.append(line.payload) }
  }

  /// Asks for a window of a million tokens: by a beta where the model needs one, which goes the way of the client's own.
  private func widen(_ model: String, _ ctx: inout Bytes, _ losses: inout LossLedger) {
    let capabilities = table.capabilities(of: model)
    if let context = capabilities.context, context >= 1_000_000 { return }
    guard let beta = capabilities.millionBeta else {
      return losses.add("model", "dropped [1m], since the model has no window of a million tokens")
    }
    let earlier = ctx.take()
    let http = Scan.member("http", of: earlier.slice)
    let headers = http.flatMap { Scan.member("headers", of: $0) }
    let given = headers.flatMap { Scan.member("anthropic-beta", of: $0) }
    ctx.append(object: earlier.slice, setting: "http") {
      $0.append(object: http, setting: "headers") {
        $0.append(object: headers, setting: "anthropic-beta") {
          $0.append("\"")
          if let given, given.count > 2, given[0] == UInt8(ascii: "\"") {
            $0.append(given.cut(1, given.count - 1), ",")
          }
          $0.append(text: beta)
          $0.append("\"")
        }
      }
    }
  }

  /// - Parameter place: where the body has a null for what asks to think; nil where it has no such member.
  private static func splice(
    _ name: String, for old: [ByteSlice], into body: ByteSlice, asking: (key: StaticString, value: StaticString)?,
    in place: ByteSlice?, to bytes: inout Bytes
  ) {
    bytes.reserve(body.count + name.utf8.count + 48)
    var at = 0
    if old.isEmpty {
      bytes.append(#"{"model":"#)
      bytes.append(quoted: name)
      if let asking, place == nil { bytes.append(member: asking) }
      at = 1
      if body[Scan.skipSpace(body, 1)] != UInt8(ascii: "}") { bytes.append(",") }
    }
    for value in (old + (place.map { [$0] } ?? [])).sorted(by: { $0.baseAddress! < $1.baseAddress! }) {
      let start = value.baseAddress! - body.baseAddress!
      bytes.append(body.cut(at, start))
      at = start + value.count
      if let asking, value.baseAddress == place?.baseAddress {
        bytes.append(asking.value)
        continue
      }
      bytes.append(quoted: name)
      if let asking, place == nil, value.baseAddress == old.last?.baseAddress { bytes.append(member: asking) }
    }
    bytes.append(body.cut(at, body.count))
  }
}

extension Bytes {
  fileprivate mutating func append(member: (key: StaticString, value: StaticString)) {
    append(",\"")
    append(member.key)
    append("\":")
    append(member.value)
  }
}
