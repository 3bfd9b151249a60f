// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The parts of earlier responses that a request needs: the conversation that it continues, the items that it refers
/// to, and the `encrypted_content` of reasoning that it sends back without it.
struct EarlierItems: ~Copyable {
  private let file: ResponsesFile
  private let context: RequestContext
  private let previous: String?
  /// The row of the response that the request follows.
  private(set) var number: Int?
  /// The items of the earlier conversation, with a comma after each.
  private var conversation = Bytes()
  /// The ids of items that must be looked up, by their places in the input: items that the request refers to, and
  /// reasoning without its seal.
  private var wanted: [Int: (id: String, isReference: Bool)] = [:]
  /// The ids of all items of the input.
  private var ids: Set<String> = []
  /// The items that were found, by id, as pieces of `bytes`.
  private var found: [String: (item: Range<Int>, seal: Range<Int>?)] = [:]
  private var bytes = Bytes()

  init(_ file: ResponsesFile, _ context: RequestContext, previous: String?) {
    self.file = file
    self.context = context
    self.previous = previous
  }

  /// Whether the body has to change.
  var isNeeded: Bool { previous != nil || !wanted.isEmpty }

  /// Finds out which items of an input must be looked up.
  mutating func look(through input: ByteSlice?) {
    guard let input, input.first == UInt8(ascii: "[") else { return }
    var place = 0
    var wanted: [Int: (id: String, isReference: Bool)] = [:]
    var ids: Set<String> = []
    Scan.elements(input) { element in
      defer { place += 1 }
      guard let item = Item(element), let id = item.id else { return true }
      if previous != nil, !id.isEmpty { ids.insert(id) }
      if item.isReference {
        wanted[place] = (id, true)
      } else if item.lacksSeal {
        wanted[place] = (id, false)
      }
      return true
    }
    (self.wanted, self.ids) = (wanted, ids)
  }

  /// Looks everything up. Returns the error for the client if something can't be found.
  ///
  /// - Parameters:
  ///   - room: how many bytes all of it may have.
  ///   - nodes: how many JSON values all of it may have.
  mutating func resolve(room: Int, nodes: Int) -> APIError? {
    guard isNeeded else { return nil }
    var conversation = Bytes()
    var bytes = Bytes()
    var found: [String: (item: Range<Int>, seal: Range<Int>?)] = [:]
    let (context, previous, wanted, ids) = (context, previous, wanted, ids)
    let oldest = file.settings.oldest(at: context.time)
    var number: Int?
    let outcome = file.perform(.reading, at: context.time) { (database) throws(SQLiteFault) -> Outcome in
      // If the file turns out to be damaged, this work is repeated on a new file.
      conversation.removeAll()
      bytes.removeAll()
      found = [:]
      if let previous {
        guard let tip = try database.find(previous, of: context.owner, since: oldest),
          let chain = try database.chain(to: tip)
        else { return .unknownResponse }
        guard chain.bytes <= room, chain.nodes <= nodes else { return .tooLarge }
        if let id = try database.firstItem(of: ids, in: chain.numbers, of: context.owner) { return .repeats(id) }
        number = tip
        conversation.reserve(chain.bytes + 64 * chain.numbers.count)
        try database.append(itemsOf: chain.numbers, to: &conversation)
      }
      var size = conversation.count
      for (_, want) in wanted {
        if let known = found[want.id] {
          // Each place gets its own copy.
          size += known.item.count + (known.seal?.count ?? 0)
          guard size <= room else { return .tooLarge }
          continue
        }
        let row = try database.query(.item, .text(context.owner), .text(want.id))
        defer { row.reset() }
        var isFound = false
        while !isFound, try row.step() {
          isFound = try database.isInUse(
            row.number(4), children: row.number(2), used: row.number(3), since: oldest)
        }
        guard isFound else { continue }
        let start = bytes.count
        bytes.append(row.bytes(0))
        let end = bytes.count
        if let seal = row.optionalBytes(1) { bytes.append(seal) }
        found[want.id] = (start..<end, bytes.count > end ? end..<bytes.count : nil)
        size += bytes.count - start
        guard size <= room else { return .tooLarge }
      }
      return .done
    }
    self.number = number
    self.conversation = conversation.take()
    self.bytes = bytes.take()
    self.found = found
    switch outcome {
    case .unknownResponse?: return .unknownPrevious(previous ?? "")
    case .tooLarge?: return .conversationTooLarge
    case .repeats(let id)?: return .repeatedItem(id)
    case nil where previous != nil: return .unreadable(previous ?? "", file.trouble)
    case nil, .done?:
      let missing = wanted.filter { $0.value.isReference && found[$0.value.id] == nil }.min { $0.key < $1.key }
      return missing.map { .unknownItem($0.value.id, at: $0.key, outcome == nil ? file.trouble : nil) }
    }
  }

  private enum Outcome {
    case done, unknownResponse, tooLarge
    /// The input has an item that the earlier conversation has too.
    case repeats(String)
  }

  /// Calls a closure with each item of an input, and with the seal that is kept beside it. An item that was looked up
  /// takes the place of its reference.
  func forEachOwnItem(of input: ByteSlice, _ body: (_ item: ByteSlice, _ seal: ByteSlice?) -> Void) {
    var place = 0
    Scan.elements(input) { element in
      defer { place += 1 }
      guard let want = wanted[place], let found = found[want.id] else {
        body(element, nil)
        return true
      }
      let all = bytes.slice
      let seal = found.seal.map { all.cut($0.lowerBound, $0.upperBound) }
      body(want.isReference ? all.cut(found.item.lowerBound, found.item.upperBound) : element, seal)
      return true
    }
  }

  /// Appends a body with the earlier conversation in front of its own input.
  func append(body: ByteSlice, input: ByteSlice?, to out: inout Bytes) {
    out.append("{")
    Scan.members(body) { key, value in
      guard !JSONString.isKey(key, "input") else { return true }
      out.append("\"")
      out.append(key)
      out.append("\":")
      out.append(value)
      out.append(",")
      return true
    }
    out.append(#""input":"#)
    guard input == nil || input?.first == UInt8(ascii: "[") || input?.first == UInt8(ascii: "\"") else {
      // resp2anth refuses this input.
      if let input { out.append(input) }
      return out.append("}")
    }
    out.append("[")
    out.append(conversation.slice)
    let start = out.count
    if let input, input.first == UInt8(ascii: "\"") {
      out.append(message: input)
    } else if let input {
      forEachOwnItem(of: input) { item, seal in
        if out.count > start { out.append(",") }
        guard let seal, let item = Item(item) else { return out.append(item) }
        var bare = Bytes()
        item.append(withID: nil, to: &bare)
        out.append(kept: bare.slice, seal: seal)
      }
    }
    // The comma after the last item of the conversation.
    if out.count == start, !conversation.isEmpty { out.removeLast(1) }
    out.append("]}")
  }
}

extension Bytes {
  /// Drops the content, and frees its memory.
  fileprivate mutating func removeAll() { removeAll(keeping: 0) }
}
