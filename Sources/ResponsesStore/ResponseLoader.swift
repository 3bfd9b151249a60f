// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// Puts the earlier conversation into requests of the Responses API, notes down what is to be kept, and answers for what
/// is kept. Records of other dialects pass as the bytes that came.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses>
package struct ResponseLoader: RecordFilter {
  package static let side = Side.request

  private let file: ResponsesFile
  /// The requests whose responses are to be kept, for the case that they are cancelled.
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
      // After the record, which stops work that costs more.
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
    // What is no string is for resp2anth to refuse.
    let previous = members.previous.flatMap { JSONString.text(of: $0) }
    if members.previous != nil, previous == nil { return out.forward(line) }

    var earlier = EarlierItems(file, context, previous: previous)
    earlier.look(through: members.input)
    guard keeps || earlier.isNeeded else { return out.forward(line) }
    // The record is the body, what comes in front of its input, and the ctx.
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

  /// Notes down a request whose response is to be kept; nil where that can't be done.
  private mutating func keep(
    _ line: Line, _ input: ByteSlice?, _ earlier: borrowing EarlierItems, _ context: RequestContext
  ) -> Int? {
    var items = ItemList()
    // The same for the same request: a name that no other item has, and that says nothing of other clients.
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
    // One that is larger than all that may be kept would only drive out the others.
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

  /// What a record holds besides its payload, its ctx and the items, in bytes.
  private static let reserved = 1_024
}

/// The last requests whose responses are to be kept, by the names of the requests.
struct PendingRequests {
  struct Request {
    var number: Int
    var time: Int
  }

  private var requests: [String: Request] = [:]
  /// The names in the order they came; a request that has ended stays until many newer ones came.
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
