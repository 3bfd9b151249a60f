// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// Puts the earlier conversation into requests of the Responses API, writes requests that are to be kept into the file,
/// and answers requests for kept responses. Records of other dialects pass as the bytes that came.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses>
package struct ResponseLoader: RecordFilter {
  package static let side = Side.request

  private let file: ResponsesFile
  /// The requests whose responses are to be kept. A cancel removes the row of such a request.
  private var pending = PendingRequests()

  package init(_ settings: ResponsesFile.Settings) { file = ResponsesFile(settings) }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    switch line.kind {
    case .request:
      guard Dialect(of: line.ctx) == .responses else { return out.forward(line) }
      defer { file.report(to: &out) }
      let operation = Operation(of: line.ctx)
      switch operation {
      case .messages: load(line, keeps: true, to: &out)
      case .countTokens: load(line, keeps: false, to: &out)
      case .other("response"): StoredAnswers(file, line).response(to: &out)
      case .other("delete_response"): StoredAnswers(file, line).delete(to: &out)
      case .other("input_items"): StoredAnswers(file, line).inputItems(to: &out)
      default: out.forward(line)
      }
    case .cancel:
      out.forward(line)
      guard !pending.isEmpty, let request = pending.remove(line.rid) else { return }
      // The record is passed on first, because it stops work that costs more.
      _ = file.perform(.writing, at: request.time) { (database) throws(SQLiteFault) in
        try database.removePending(request.number)
      }
      file.report(to: &out)
    default: out.forward(line)
    }
  }

  private mutating func load(_ line: Line, keeps mayKeep: Bool, to out: inout Output) {
    guard let members = RequestMembers(line.payload), !members.isRefused else { return out.forward(line) }
    let keeps = mayKeep && (members.store == nil || members.store?.equals("true") == true)
    let context = RequestContext(line.ctx)
    // resp2anth refuses an id that is not a string.
    let previous = members.previous.flatMap { JSONString.text(of: $0) }
    if members.previous != nil, previous == nil { return out.forward(line) }

    var earlier = EarlierItems(file, context, previous: previous)
    earlier.look(through: members.input)
    guard keeps || earlier.isNeeded else { return out.forward(line) }
    // The new record has the body, the items in front of its input, and the ctx.
    let room = Limits.maxLine - line.bytes.count - Self.reserved
    let nodes = previous == nil ? JSON.maxNodes : JSON.maxNodes - NodeCount.of(line.payload)
    if let refusal = earlier.resolve(room: room, nodes: nodes) { return out.refuse(line, inOpenAIsForm: refusal) }

    var number: Int?
    if keeps {
      number = keep(line, members.input, earlier, context)
    }
    guard number != nil || earlier.isNeeded else { return out.forward(line) }

    var ctx = Bytes(capacity: (line.ctx?.count ?? 2) + 128)
    if number != nil || previous != nil {
      ctx.append(object: line.ctx, setting: "responses-store") { bytes in
        bytes.append("{")
        if let number {
          bytes.append(#""key":"#)
          bytes.append(decimal: number)
        }
        if let previous {
          bytes.append(number == nil ? #""previous":"# : #","previous":"#)
          bytes.append(quoted: previous)
        }
        bytes.append("}")
      }
    } else if let given = line.ctx {
      ctx.append(given)
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { bytes in
      guard earlier.isNeeded else { return bytes.append(line.payload) }
      earlier.append(body: line.payload, input: members.input, to: &bytes)
    }
  }

  /// Writes a request whose response is to be kept into the file. Returns the number of its row, or nil if that failed.
  private mutating func keep(
    _ line: Line, _ input: ByteSlice?, _ earlier: borrowing EarlierItems, _ context: RequestContext
  ) -> Int? {
    var items = ItemList()
    // The same request gives the same name. No other item has this name, and it reveals nothing of other clients.
    var named = Bytes()
    named.append(text: context.owner)
    named.append(line.rid)
    let name = String(UInt64(hashing: named.slice), radix: 16)
    if let input, input.first == UInt8(ascii: "\"") {
      items.append(message: input, name: name)
    } else if let input {
      earlier.forEachOwnItem(of: input) { text, seal in
        if let item = Item(text) { items.append(item, name: name, seal: seal) }
      }
    }
    // A request that is larger than the file may be would only remove all others.
    guard items.byteCount <= file.settings.maxSize, items.entries.count < Schema.output else { return nil }
    let number = file.perform(.writing, at: context.time) { (database) throws(SQLiteFault) -> Int? in
      let number = try database.insertPending(items, of: context.owner, following: earlier.number, at: context.time)
      try database.sweep(file.settings, added: items.byteCount, at: context.time)
      return number
    }
    guard let number, let number else { return nil }
    pending.insert(line.rid, .init(number: number, time: context.time))
    return number
  }

  /// The bytes of a record besides its payload, its ctx and the items.
  private static let reserved = 1_024
}

/// The last requests whose responses are to be kept, by `rid`. Older requests are forgotten, so memory is bounded.
struct PendingRequests {
  struct Request {
    var number: Int
    var time: Int
  }

  private var requests: [String: Request] = [:]
  /// The names in the order in which they came. The request side sees no end, so a request stays until enough newer
  /// ones came.
  private var names: [String] = []
  private var next = 0

  var isEmpty: Bool { requests.isEmpty }

  mutating func insert(_ rid: ByteSlice, _ request: Request) {
    let name = rid.text
    requests[name] = request
    if names.count < Limits.maxOpen {
      names.append(name)
    } else {
      requests[names[next]] = nil
      names[next] = name
      next = (next + 1) % Limits.maxOpen
    }
  }

  mutating func remove(_ rid: ByteSlice) -> Request? { requests.removeValue(forKey: rid.text) }
}
