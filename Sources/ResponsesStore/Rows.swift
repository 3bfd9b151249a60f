// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The work on the rows of a response, within one transaction.
extension Database {
  // MARK: Finding

  /// The number of a response that its owner can see.
  ///
  /// - Parameter oldest: a response whose last use was before this time has expired. A use of a response is also a use
  ///   of all before it.
  func find(_ id: String, of owner: String, since oldest: Int) throws(SQLiteFault) -> Int? {
    let row = try query(.find, .text(owner), .text(id))
    defer { row.reset() }
    guard try row.step() else { return nil }
    let number = row.number(0)
    return try isInUse(number, children: row.number(1), used: row.number(2), since: oldest) ? number : nil
  }

  /// Whether a response, or one that follows it, was used since that time.
  func isInUse(_ number: Int, children: Int, used: Int, since oldest: Int) throws(SQLiteFault) -> Bool {
    if used >= oldest { return true }
    return try children > 0 ? first(.isFollowed, .number(number), .number(oldest)) != nil : false
  }

  /// A response and all that it follows.
  struct Chain {
    /// Oldest first.
    var numbers: [Int] = []
    var bytes = 0
    var nodes = 0
  }

  /// Nil if one of them was removed, or has no answer yet.
  func chain(to number: Int) throws(SQLiteFault) -> Chain? {
    var chain = Chain()
    var at: Int? = number
    while let number = at {
      let row = try query(.link, .number(number))
      defer { row.reset() }
      guard try row.step(), row.number(3) != Schema.State.pending else { return nil }
      chain.numbers.append(number)
      chain.bytes += row.number(1)
      chain.nodes += row.number(2)
      at = row.optionalNumber(0)
      // A response is newer than the one that it follows. A damaged file could have a cycle.
      if let previous = at, previous >= number { return nil }
    }
    chain.numbers.reverse()
    return chain
  }

  /// The first of some ids, in the order of their texts, that an item of these responses has.
  func firstItem(of ids: Set<String>, in numbers: [Int], of owner: String) throws(SQLiteFault) -> String? {
    guard !ids.isEmpty else { return nil }
    let responses = Set(numbers)
    for id in ids.sorted() {
      let row = try query(.itemPlace, .text(owner), .text(id))
      defer { row.reset() }
      while try row.step() {
        if responses.contains(row.number(0) >> Schema.placeBits) { return id }
      }
    }
    return nil
  }

  /// Appends the items of responses, each with a comma after it.
  func append(itemsOf numbers: [Int], to bytes: inout Bytes) throws(SQLiteFault) {
    for number in numbers {
      let row = try query(
        .items, .number(number << Schema.placeBits), .number((number + 1) << Schema.placeBits))
      defer { row.reset() }
      while try row.step() {
        bytes.append(kept: row.bytes(0), seal: row.optionalBytes(1))
        bytes.append(",")
      }
    }
  }

  // MARK: Adding

  /// Adds a response without an answer. Returns nil if the response that it follows was removed.
  func insertPending(
    _ items: borrowing ItemList, of owner: String, following previous: Int?, at now: Int
  ) throws(SQLiteFault) -> Int? {
    if let previous {
      try run(.adopt, .number(previous), .number(now))
      guard changes == 1 else { return nil }
    }
    try run(
      .insert, .text(owner), .optional(previous), .number(now), .number(items.byteCount), .number(items.nodes))
    let number = lastNumber
    try insert(items, of: owner, from: number << Schema.placeBits)
    return number
  }

  private func insert(_ items: borrowing ItemList, of owner: String, from first: Int) throws(SQLiteFault) {
    var at = first
    try items.forEach { (id, item, seal) throws(SQLiteFault) in
      try run(
        .insertItem, .number(at), .text(owner), .text(id), .bytes(item), seal.map { Value.bytes($0) } ?? .null)
      at += 1
    }
  }

  /// An answer in the form in which it is kept.
  struct KeptAnswer: ~Copyable {
    var id: String
    /// The text of the response before the first item of its output, and after the last item.
    var head: ByteSlice
    var tail: ByteSlice
    var items: ItemList
  }

  /// Adds the answer of a pending response. Returns false if that response was removed.
  func keep(_ answer: borrowing KeptAnswer, as number: Int, at now: Int) throws(SQLiteFault) -> Bool {
    guard let owner = try ownerOfPending(number) else { return false }
    // A backend that replays a recording gives many responses the same id. The newest one gets it.
    if let older = try find(answer.id, of: owner, since: .min) { try forget(older) }
    try run(
      .keep, .number(number), .text(answer.id), .number(now), .number(answer.items.byteCount),
      .number(answer.items.nodes))
    try insert(answer.items, of: owner, from: number << Schema.placeBits + Schema.output)
    try run(.insertBody, .number(number), .bytes(answer.head), .bytes(answer.tail))
    return true
  }

  private func ownerOfPending(_ number: Int) throws(SQLiteFault) -> String? {
    let row = try query(.pending, .number(number))
    defer { row.reset() }
    return try row.step() ? row.bytes(0).text : nil
  }

  /// Removes a response whose answer failed. A response that is kept already stays.
  func removePending(_ number: Int) throws(SQLiteFault) {
    if try first(.pending, .number(number)) != nil { try remove(number) }
  }

  // MARK: Removing

  /// Removes a response, or hides it if other responses follow it.
  func forget(_ number: Int) throws(SQLiteFault) {
    let row = try query(.link, .number(number))
    let children = try row.step() ? row.number(4) : 0
    row.reset()
    guard children > 0 else {
      try remove(number)
      return
    }
    try run(.hide, .number(number))
    try run(.removeBody, .number(number))
  }

  /// Removes a response that no other follows, and hidden responses that only it needed. Returns how many bytes they
  /// had.
  @discardableResult
  func remove(_ number: Int) throws(SQLiteFault) -> Int {
    var (at, removed) = (Int?(number), 0)
    while let number = at {
      let row = try query(.link, .number(number))
      let previous = try row.step() ? row.optionalNumber(0) : nil
      removed += row.number(1)
      row.reset()
      try run(.removeItems, .number(number << Schema.placeBits), .number((number + 1) << Schema.placeBits))
      try run(.removeBody, .number(number))
      try run(.remove, .number(number))
      at = nil
      guard let previous else { break }
      try run(.disown, .number(previous))
      let parent = try query(.link, .number(previous))
      if try parent.step(), parent.number(3) == Schema.State.hidden, parent.number(4) <= 0 { at = previous }
      parent.reset()
    }
    return removed
  }

  /// Removes responses that have expired or exceed the size. Each call removes only a few, but more than were added.
  ///
  /// - Parameters:
  ///   - added: the bytes that this transaction has added.
  ///   - now: the time; 0 if it is not known, and then nothing has expired.
  func sweep(_ settings: ResponsesFile.Settings, added: Int, at now: Int) throws(SQLiteFault) {
    if now > 0 {
      for _ in 0..<Self.sweepCount {
        guard
          let number = try first(
            .expired, .number(settings.oldest(at: now)), .number(settings.oldestPending(at: now)))
        else { break }
        try remove(number)
      }
    }
    var (count, removed) = (0, 0)
    while count < Self.sweepCount || removed < 2 * added, try usedBytes() > settings.maxSize,
      let number = try first(.oldest)
    {
      // A row costs more than its bytes.
      removed += try remove(number) + 256
      count += 1
    }
    if try first(.freePages) ?? 0 > Self.freePages { try execute("PRAGMA incremental_vacuum(\(Self.vacuumPages))") }
  }

  /// How many responses are removed at once.
  private static let sweepCount = 16
  /// How many unused pages stay in the file for new responses, and how many are given back at once.
  private static let freePages = 1_024
  private static let vacuumPages = 256
}

extension ResponsesFile.Settings {
  /// The oldest last use that has not expired, in microseconds since the epoch.
  func oldest(at now: Int) -> Int { now > 0 ? now - keep * 1_000_000 : .min }

  /// The same for responses whose answers have not ended. An answer may take longer than `--keep`.
  func oldestPending(at now: Int) -> Int { now > 0 ? now - max(keep, 3_600) * 1_000_000 : .min }
}
