// SPDX-License-Identifier: MIT
import JSONText
import Records

/// A recorded session: the requests of a file of records, and what each was answered with.
///
/// The file holds records of both directions in the order in which they passed, as `scripts/record` writes them, and
/// between them `{"rid":"record","time":µs}`: when the lines behind it passed, in microseconds since the epoch.
package final class Recording {
  /// One record of an answer, as offsets into the file.
  struct Step {
    var line: Range<Int>
    /// What stands behind the rid's closing quote.
    var tail: Range<Int>
    var payload: Range<Int>
    var kind: Line.Kind
    /// In microseconds since the epoch, 0 where the recording doesn't tell.
    var time: Int
  }

  /// A request, and what it was answered with.
  struct Exchange {
    var name: String
    var body: Range<Int>
    var operation: Operation
    var dialect: Dialect?
    var model: String?
    var time: Int
    var steps: [Step] = []
    /// Its `end` was recorded.
    var isOver = false
    /// Its body holds what was redacted, for which any text may stand.
    var isRedacted: Bool
  }

  private let bytes: Bytes
  private(set) var exchanges: [Exchange] = []
  /// What `scripts/record` writes in the place of a secret.
  static let redaction: StaticString = "[redacted]"
  /// Lines that are no record, counted from 1; they are passed over.
  package private(set) var badLines: [Int] = []
  /// Exchanges that have not been played yet, by the hash of their body; the redacted ones under 0.
  private var waiting: [Int: [Int]] = [:]

  /// - Throws: where there is no request in it, which is no recording.
  package init(_ contents: consuming Bytes, name: String) throws(Failure) {
    bytes = contents
    read()
    guard !exchanges.isEmpty else { throw Failure(.badRecord, "\(name) holds no request record: it is no recording") }
    for (index, exchange) in exchanges.enumerated() {
      waiting[exchange.isRedacted ? 0 : Self.hash(slice(exchange.body)), default: []].append(index)
    }
  }

  func slice(_ range: Range<Int>) -> ByteSlice { bytes.slice.cut(range.lowerBound, range.upperBound) }

  private static func hash(_ body: ByteSlice) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(body))
    return hasher.finalize()
  }

  // MARK: Reading it

  private func read() {
    let all = bytes.slice
    var open: [String: Int] = [:]
    var time = 0
    var at = 0
    var number = 0
    while at < all.count {
      let end = all.offset(of: UInt8(ascii: "\n"), from: at) ?? all.count
      defer { at = end + 1 }
      number += 1
      guard let line = Line(scanning: all.cut(at, end)) else { continue }
      guard line.form == .record else {
        badLines.append(number)
        continue
      }
      if line.kind == .other, line.rid.equals("record"), let told = Int(line.payload.text) {
        time = told
        continue
      }
      let name = line.rid.text
      if line.kind == .request {
        // A backend that declined it handed it on, to be recorded again before the next one.
        guard open[name] == nil else { continue }
        open[name] = exchanges.count
        exchanges.append(exchange(line, name, time))
      } else if line.kind != .cancel, let index = open[name] {
        let isEnd = line.kind == .end
        if isEnd { open[name] = nil }
        // Of an answer that nobody waited for, the rest isn't known.
        guard !isEnd || Scan.member("cancelled", of: line.payload) == nil else { continue }
        exchanges[index].steps.append(step(line, time))
        exchanges[index].isOver = isEnd
      }
    }
  }

  private func range(_ part: ByteSlice) -> Range<Int> {
    let start = part.baseAddress! - bytes.slice.baseAddress!
    return start..<start + part.count
  }

  private func exchange(_ line: Line, _ name: String, _ time: Int) -> Exchange {
    Exchange(
      name: name, body: range(line.payload), operation: Operation(of: line.ctx), dialect: Dialect(of: line.ctx),
      model: Self.model(line.ctx), time: time, isRedacted: Self.offset(of: Self.redaction, in: line.payload, 0) != nil)
  }

  private func step(_ line: Line, _ time: Int) -> Step {
    let whole = range(line.bytes)
    return Step(
      line: whole, tail: range(line.rid).upperBound + 1..<whole.upperBound, payload: range(line.payload),
      kind: line.kind, time: time)
  }

  /// The model that a path named.
  private static func model(_ ctx: ByteSlice?) -> String? {
    ctx.flatMap { Scan.member("model_id", of: $0) }?.text
  }

  // MARK: Finding in it

  /// The next exchange of that request which has not been played: the nth time it is asked, the nth one.
  ///
  /// - Throws: 404, which no client tries again, with how far the recorded bodies are the same.
  func next(_ line: Line) throws(APIError) -> Exchange {
    for key in [Self.hash(line.payload), 0] {
      guard let place = waiting[key]?.firstIndex(where: { isSame(exchanges[$0], line) }) else { continue }
      return exchanges[waiting[key]!.remove(at: place)]
    }
    throw APIError(status: 404, "the recording has no answer for this request: \(whyNot(line))")
  }

  private func isSame(_ exchange: Exchange, _ line: Line) -> Bool {
    guard exchange.operation == Operation(of: line.ctx), exchange.model == Self.model(line.ctx) else { return false }
    if let dialect = Dialect(of: line.ctx), let recorded = exchange.dialect, dialect != recorded { return false }
    let body = slice(exchange.body)
    return exchange.isRedacted ? Self.matches(line.payload, body) : body.equals(line.payload)
  }

  /// Whether a text is what was recorded, where secrets were redacted: for each stands text without a quote.
  static func matches(_ text: ByteSlice, _ pattern: ByteSlice) -> Bool {
    var at = 0
    var start = 0
    while let mark = offset(of: redaction, in: pattern, start) {
      guard let found = find(pattern.cut(start, mark), in: text, from: at, isFirst: start == 0) else { return false }
      at = found
      start = mark + redaction.utf8CodeUnitCount
    }
    let last = pattern.cut(start, pattern.count)
    let end = text.count - last.count
    guard end >= at, text.cut(end, text.count).equals(last) else { return false }
    return text.offset(of: UInt8(ascii: "\""), from: at).map { $0 >= end } ?? true
  }

  /// The offset behind a piece of the pattern: at once for the first piece, else behind text without a quote.
  private static func find(_ piece: ByteSlice, in text: ByteSlice, from: Int, isFirst: Bool) -> Int? {
    var at = from
    while at + piece.count <= text.count {
      if text.cut(at, at + piece.count).equals(piece) { return at + piece.count }
      guard !isFirst, text[at] != UInt8(ascii: "\"") else { return nil }
      at += 1
    }
    return nil
  }

  private static func offset(of mark: StaticString, in text: ByteSlice, _ from: Int) -> Int? {
    let first = mark.utf8Start.pointee
    var at = text.offset(of: first, from: from)
    while let place = at {
      if text.starts(with: mark, at: place) { return place }
      at = text.offset(of: first, from: place + 1)
    }
    return nil
  }

  /// For a person who wonders why a request isn't the recorded one.
  private func whyNot(_ line: Line) -> String {
    let operation = Operation(of: line.ctx)
    let candidates = exchanges.filter { $0.operation == operation && $0.model == Self.model(line.ctx) }
    let times = candidates.count { isSame($0, line) }
    if times > 0 { return "it was recorded \(times == 1 ? "once" : "\(times) times"), and has been asked more often" }
    guard !candidates.isEmpty else {
      let model = Self.model(line.ctx).map { " \($0)" } ?? ""
      return "none of its \(exchanges.count) requests is for \(operation.rawValue)\(model)"
    }
    var nearest = (same: -1, name: "", isWhole: false)
    for exchange in candidates {
      let body = slice(exchange.body)
      var same = 0
      while same < body.count, same < line.payload.count, body[same] == line.payload[same] { same += 1 }
      if same > nearest.same { nearest = (same, exchange.name, body.equals(line.payload)) }
    }
    return "none of its \(candidates.count) for \(operation.rawValue) is the same; the nearest, \(nearest.name), "
      + (nearest.isWhole ? "came by the other interface" : "differs at byte \(nearest.same) of the body")
  }
}
