// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The page of a response's items that a client asks for.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/input-items>
struct ItemPage {
  /// The result of a search for a page.
  enum Outcome { case done, unknownResponse, unknownItem }

  private(set) var limit = 20
  private(set) var isAscending = false
  /// The id of the item before the first one.
  private(set) var after: String?
  private(set) var showsSeals = false
  private(set) var loss = LossLedger()

  /// How many items one page may hold.
  private static let limits = 1...100
  /// How many bytes one page may hold. Further items come with the next page.
  static let maxBytes = Limits.maxLine / 2

  init(_ parameters: [(name: String, value: String)]) throws(APIError) {
    for (name, value) in parameters {
      switch name {
      case "limit":
        guard let number = Int(value), Self.limits.contains(number) else {
          throw .invalid("limit=\(value.clipped): expected a number from 1 to 100", param: "limit")
        }
        limit = number
      case "order":
        guard value == "asc" || value == "desc" else {
          throw .invalid("order=\(value.clipped): expected asc or desc", param: "order")
        }
        isAscending = value == "asc"
      case "after": after = value
      default: if StoredAnswers.asksForSeals(name, value, &loss) { showsSeals = true }
      }
    }
  }
}

extension Database {
  /// Appends a list of items as JSON.
  ///
  /// - Parameter numbers: the numbers of the response and of all before it in the conversation, oldest first.
  func append(
    _ page: ItemPage, of numbers: [Int], of owner: String, to body: inout Bytes
  ) throws(SQLiteFault) -> ItemPage.Outcome {
    // The output of the response itself is not part of its input.
    var ranges = numbers.map { $0 << Schema.placeBits..<($0 + 1) << Schema.placeBits }
    if let last = ranges.popLast() { ranges.append(last.lowerBound..<last.lowerBound + Schema.output) }
    if let after = page.after {
      guard let place = try place(of: after, of: owner, in: ranges) else { return .unknownItem }
      let at = ranges.firstIndex { $0.contains(place) } ?? 0
      ranges =
        page.isAscending
        ? [place + 1..<ranges[at].upperBound] + ranges[(at + 1)...]
        : ranges[..<at] + [ranges[at].lowerBound..<place]
    }
    if !page.isAscending { ranges.reverse() }

    body.append(#"{"object":"list","data":["#)
    var (count, hasMore, first, last) = (0, false, "", "")
    for range in ranges where !hasMore {
      let row = try query(
        page.isAscending ? .itemsForwards : .itemsBackwards, .number(range.lowerBound), .number(range.upperBound),
        .number(page.limit + 1 - count))
      defer { row.reset() }
      while try row.step() {
        guard count < page.limit, count == 0 || body.count + row.bytes(0).count < ItemPage.maxBytes else {
          hasMore = true
          break
        }
        if count > 0 { body.append(",") }
        count += 1
        last = row.bytes(2).text
        if count == 1 { first = last }
        var listed = Bytes()
        Item(row.bytes(0))?.append(listedTo: &listed)
        body.append(kept: listed.slice, seal: page.showsSeals ? row.optionalBytes(1) : nil)
      }
    }
    body.append(#"],"first_id":"#)
    if count > 0 { body.append(quoted: first) } else { body.append("null") }
    body.append(#","last_id":"#)
    if count > 0 { body.append(quoted: last) } else { body.append("null") }
    body.append(hasMore ? #","has_more":true}"# : #","has_more":false}"#)
    return .done
  }

  /// The number of an item, by its id; the newest one in these ranges.
  private func place(of id: String, of owner: String, in ranges: [Range<Int>]) throws(SQLiteFault) -> Int? {
    let row = try query(.itemPlace, .text(owner), .text(id))
    defer { row.reset() }
    let responses = Set(ranges.map { $0.lowerBound >> Schema.placeBits })
    while try row.step() {
      let place = row.number(0)
      if responses.contains(place >> Schema.placeBits), ranges.contains(where: { $0.contains(place) }) { return place }
    }
    return nil
  }
}
