// SPDX-License-Identifier: MIT
import JSONText

/// Items in the form in which they are kept, one after the other in one piece of memory.
struct ItemList: ~Copyable {
  struct Entry {
    let id: String
    let item: Range<Int>
    let seal: Range<Int>?
  }

  private var bytes = Bytes()
  private(set) var entries: [Entry] = []
  private(set) var nodes = 0

  var byteCount: Int { bytes.count }

  /// Adds an item. An item without an id gets one.
  ///
  /// - Parameters:
  ///   - name: the part of such an id between the kind and the place of the item.
  ///   - seal: the `encrypted_content` that is kept beside it, a string with its quotes.
  mutating func append(_ item: Item, name: String, seal: ByteSlice? = nil) {
    let given = item.id.flatMap { $0.isEmpty ? nil : $0 }
    let id = given ?? "\(item.prefix)_\(name)_\(entries.count)"
    let start = bytes.count
    item.append(withID: given == nil ? id : nil, to: &bytes)
    close(id, start, seal ?? item.seal)
  }

  /// Adds a message of the user, from a JSON string.
  mutating func append(message text: ByteSlice, name: String) {
    let id = "msg_\(name)_\(entries.count)"
    let start = bytes.count
    bytes.append(message: text, id: id)
    close(id, start, nil)
  }

  private mutating func close(_ id: String, _ start: Int, _ seal: ByteSlice?) {
    let end = bytes.count
    nodes += NodeCount.of(bytes.slice.cut(start, end))
    if let seal {
      bytes.append(seal)
      nodes += 2
    }
    entries.append(Entry(id: id, item: start..<end, seal: seal == nil ? nil : end..<bytes.count))
  }

  /// The items, valid until the next one is added.
  func forEach<E: Error>(
    _ body: (_ id: String, _ item: ByteSlice, _ seal: ByteSlice?) throws(E) -> Void
  ) throws(E) {
    let all = bytes.slice
    for entry in entries {
      try body(
        entry.id, all.cut(entry.item.lowerBound, entry.item.upperBound),
        entry.seal.map { all.cut($0.lowerBound, $0.upperBound) })
    }
  }
}
