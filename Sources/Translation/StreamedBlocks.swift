// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// One content block of a stream.
final class StreamedBlock {
  enum Kind {
    case text, thinking, redacted, tool
    /// A search by the vendor's own tool, in a form of answers that has a place for it.
    case search
    /// A summary of the conversation, in a form of answers that has a place for it.
    case compaction
    /// The form of answers has no place for it, except for its text.
    case other
  }

  let kind: Kind
  /// The block as its start had it.
  let content: JSON
  /// Its place among the blocks of the answer.
  let number: Int
  /// The index by which events name it, if any.
  let index: Int?
  fileprivate(set) var isOver = false
  /// The text of a thinking block, or text that waits for its turn; and how many of its bytes the client has got.
  var text = Bytes()
  var shown = 0
  var signature: JSON?
  /// Whether a part of the tool's input came after the start.
  var hasFragment = false
  var mender = SurrogateMender()
  /// What a tool's input goes through, where the client has other names for it.
  var input: ToolInput?
  /// The place of a call among the calls of a chat answer.
  var call = 0
  /// The item of a response that the block is shown in, or a part of. The answer owns its items, and an item owns the
  /// blocks that wait in its lane. So this end of the pair is weak, or an answer that is cut would never be freed.
  weak var item: ResponseItem?
  /// Where its text begins in the item's, in bytes; and what it was taken from.
  var start = 0
  var citations: [JSON] = []

  /// Whether its text is a part of the answer's text.
  var isText: Bool {
    switch kind {
    case .text, .other: true
    case .thinking, .redacted, .tool, .search, .compaction: false
    }
  }

  /// The block with all that came after its start: what a client sends back.
  var whole: JSON {
    guard case .thinking = kind else { return content }
    let made = content.shallowCopy()
    made["thinking"] = JSON(utf8: text.slice)
    if let signature { made["signature"] = signature }
    return made
  }

  fileprivate init(_ kind: Kind, _ content: JSON, number: Int, index: Int?) {
    (self.kind, self.content, self.number, self.index) = (kind, content, number, index)
  }
}

/// The blocks whose text a client joins into one.
///
/// Only the first may be shown. Blocks that began after it wait until it is over, or their words would stand in the
/// middle of its own.
struct Lane {
  private var blocks: [StreamedBlock] = []
  private var start = 0

  var first: StreamedBlock? { start < blocks.count ? blocks[start] : nil }

  /// Whether a block waits for another one.
  var isShared: Bool { blocks.count - start > 1 }

  mutating func append(_ block: StreamedBlock) { blocks.append(block) }

  mutating func removeFirst() {
    start += 1
    if start == blocks.count { (blocks, start) = ([], 0) }
  }
}

/// The blocks of a stream that have begun and are not over.
///
/// Every event names its block by `index`, so events of several blocks may be mixed. An event without an index belongs
/// to the block that began last.
struct StreamedBlocks {
  private var open: [Int: StreamedBlock] = [:]
  private var last: (index: Int, block: StreamedBlock)?
  private(set) var count = 0

  /// Opens a block; what is still open at its index has to be ended before.
  mutating func open(_ kind: StreamedBlock.Kind, _ content: JSON, at index: Int?) -> StreamedBlock {
    let block = StreamedBlock(kind, content, number: count, index: index)
    // No event says such an index.
    let index = index ?? -1 - count
    count += 1
    open[index] = block
    last = (index, block)
    return block
  }

  func find(_ index: Int?) -> StreamedBlock? {
    guard let index else { return last.flatMap { $0.block.isOver ? nil : $0.block } }
    return open[index]
  }

  /// Takes the end of a block.
  mutating func end(_ index: Int?) -> StreamedBlock? {
    guard let index = index ?? last?.index, let block = open.removeValue(forKey: index) else { return nil }
    block.isOver = true
    return block
  }

  /// Takes the end of all blocks, in the order in which they began.
  mutating func endAll() -> [StreamedBlock] {
    guard !open.isEmpty else { return [] }
    let blocks = open.values.sorted { $0.number < $1.number }
    open = [:]
    for block in blocks { block.isOver = true }
    return blocks
  }

  /// The index that an event names; nil where it names none.
  static func index(of event: JSON) -> Int? {
    guard let index = event["index"] else { return nil }
    return index.integer ?? index.number.flatMap { Int(exactly: $0) } ?? index.string.flatMap { Int($0) }
  }
}
