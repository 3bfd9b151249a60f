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

  package init(_ table: ModelTable, defaultModel: String? = nil) {
    self.table = table
    self.defaultModel = table.effective(defaultModel ?? table.defaultModel)
  }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    let operation = Operation(of: line.ctx)
    guard line.kind == .request, operation == .messages || operation == .countTokens,
      line.payload.first == UInt8(ascii: "{")
    else { return out.forward(line) }

    var named: [ByteSlice] = []
    var isString = true
    let isWhole = Scan.members(line.payload) { key, value in
      if key.equals("model") {
        named.append(value)
        isString = value[0] == UInt8(ascii: "\"") || value.equals("null")
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
      asked = name.text
      isNamed = true
    }
    let effective = table.effective(asked)
    if line.isBare, isNamed, effective == asked { return out.forward(line) }
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "model") {
      $0.append(#"{"asked":"#)
      $0.append(quoted: asked)
      $0.append(#","effective":"#)
      $0.append(quoted: effective)
      $0.append("}")
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) {
      Self.splice(effective, for: named, into: line.payload, to: &$0)
    }
  }

  private static func splice(
    _ name: String, for old: [ByteSlice], into body: ByteSlice, to bytes: inout Bytes
  ) {
    bytes.reserve(body.count + name.utf8.count + 16)
    var at = 0
    if old.isEmpty {
      bytes.append(#"{"model":"#)
      bytes.append(quoted: name)
      at = 1
      if body[Scan.skipSpace(body, 1)] != UInt8(ascii: "}") { bytes.append(",") }
    }
    for value in old {
      let start = value.baseAddress! - body.baseAddress!
      bytes.append(body.cut(at, start))
      bytes.append(quoted: name)
      at = start + value.count
    }
    bytes.append(body.cut(at, body.count))
  }
}
