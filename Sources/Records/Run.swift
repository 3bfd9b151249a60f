// SPDX-License-Identifier: MIT
import JSONText

/// The run loop that all filters share, without its descriptors: bytes in, bytes out.
package struct Run: ~Copyable {
  // Not generic: a generic type looks up its metadata several times for each line. That took a third of the instructions of
  // an event.
  package var filter: any RecordFilter
  private let side: Side
  package var output = Output()
  private var splitter: LineSplitter
  private let defaults: Bytes
  private let isStrict: Bool
  /// A large line came: what it left in the allocator is to be given back.
  private var hasTakenMuch = false
  private var lineNumber = 0
  private var bareNumber = 0
  /// The name of the bare request at hand.
  private var bareRid = Bytes()
  private var bareIsOpen = false
  /// Answers that failed here and whose `end` is still to come.
  private var failed: Set<RequestID> = []

  /// - Parameters:
  ///   - defaultContext: a JSON object, the ctx of requests that bring none.
  ///   - isStrict: a line that can't be read ends the run.
  package init(
    _ filter: any RecordFilter, defaultContext: String = "{}", isStrict: Bool = false, maxLine: Int = Limits.maxLine
  ) {
    self.filter = filter
    side = type(of: filter).side
    self.isStrict = isStrict
    splitter = LineSplitter(maxLine: maxLine, keeping: Limits.keptBuffer)
    var defaults = Bytes()
    defaults.append(text: defaultContext)
    self.defaults = defaults
  }

  package mutating func take(_ bytes: ByteSlice) throws(Failure) {
    splitter.append(bytes)
    try takeLines()
  }

  /// Takes bytes that stay where they are, such as another stage's output.
  ///
  /// Whole lines are taken in place. Only what can't be taken yet is copied.
  ///
  /// - Parameter lending: they stay there until ``takeBack()``, so the output may lend lines of them.
  package mutating func take(lines bytes: ByteSlice, lending: Bool = false) throws(Failure) {
    guard splitter.isEmpty else { return try take(bytes) }
    if lending { output.lendable = bytes }
    defer { output.lendable = bytes.cut(0, 0) }
    var at = 0
    while filter.isReady, let piece = splitter.next(of: bytes, from: &at) { try take(piece) }
    if at < bytes.count { try take(bytes.cut(at, bytes.count)) }
  }

  /// Lets `fill` put bytes into the buffer, and takes what came; false when `fill` put none.
  ///
  /// - Parameter lending: the output may lend lines of the buffer, until ``takeBack()``.
  package mutating func take(
    lending: Bool = false, filledBy fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Bool {
    let count = try splitter.fill(fill)
    guard count > 0 else { return false }
    if lending { output.lendable = splitter.content }
    defer { output.lendable = ByteSlice(start: nil, count: 0) }
    try takeLines()
    return true
  }

  /// The lines that the output lent have been handed over.
  package mutating func takeBack() {
    output.takeBack()
    splitter.release()
  }

  /// It keeps large buffers for the next large record, or has taken a large one.
  package var keepsMuch: Bool { hasTakenMuch || splitter.keepsMuch || output.keepsMuch }

  /// Gives back the large buffers that it keeps.
  package mutating func giveBack() {
    hasTakenMuch = false
    splitter.giveBack()
    output.giveBack()
  }

  /// Takes the lines that waited until the filter was ready.
  package mutating func resume() throws(Failure) { try takeLines() }

  /// Takes the end of the input, when no line waits.
  package mutating func finish() throws(Failure) {
    let rest = splitter.rest
    if let line = Line(scanning: rest) {
      lineNumber += 1
      // A record that lacks its LF may lack more, and its writer is gone; a bare body, typed by hand, is whole when its
      // last brace is there.
      if line.isBare, line.bytes.last == UInt8(ascii: "}") {
        try take(line)
      } else {
        let message = "the last line has no end and is dropped"
        if isStrict { throw Failure(.badRecord, message, line: lineNumber) }
        output.note(.warning, "line \(lineNumber): \(message)", rid: line.rid.count > 0 ? line.rid : nil)
      }
    }
    if bareIsOpen { failBare(endedEarly) }
    filter.finish(to: &output)
  }

  private mutating func takeLines() throws(Failure) {
    // What was made of a large line need not be written while the line itself still stands in memory.
    defer { if output.lent.isEmpty { splitter.release() } }
    while filter.isReady, let piece = splitter.next() { try take(piece) }
  }

  private mutating func take(_ piece: LineSplitter.Piece) throws(Failure) {
    lineNumber += 1
    switch piece {
    case .line(let bytes):
      if bytes.count > Limits.ownBuffer { hasTakenMuch = true }
      if let line = Line(scanning: bytes) { try take(line) }
    case .tooLong(let head):
      let error = APIError(status: 413, "a record of more than \(Limits.maxLine >> 20) MiB can't be taken")
      if isStrict { throw Failure(.badRecord, error.message, line: lineNumber) }
      output.note(.warning, "line \(lineNumber): \(error.message)")
      if let line = Line(scanning: head), line.rid.count > 0 { refuse(line, error) }
    }
  }

  private mutating func take(_ line: Line) throws(Failure) {
    switch line.form {
    case .record:
      guard !failed.isEmpty, failed.contains(line.id) else { return try offer(line) }
      // The answer is over for everyone behind us.
      if line.kind == .end { failed.remove(line.id) }
    case .broken:
      // Where the rid is not the first member, another stage is at fault.
      if line.rid.count > 0, !line.bytes.starts(with: "\"rid\"", at: Scan.skipSpace(line.bytes, 1)) {
        try bad("the first member of a record is not \"rid\"; does a filter reorder members?", line, status: 502)
      } else {
        try bad("this is not a record", line)
      }
    case .bare:
      if side == .request { try takeBareRequest(line) } else { try takeBareAnswer(line) }
    }
  }

  private mutating func offer(_ line: Line) throws(Failure) {
    var line = line
    if line.ctx == nil, line.kind == .request || line.kind == .begin { line.ctx = defaults.slice }
    do throws(APIError) {
      try filter.take(line, to: &output)
    } catch {
      if isStrict { throw Failure(.badRecord, error.message, line: lineNumber) }
      output.note(.warning, "line \(lineNumber): \(error.message)", rid: line.isBare ? nil : line.rid)
      refuse(line, side == .request ? error : APIError(status: 502, error.message))
    }
  }

  /// A line that can't be read, with its answer where it shows whose it is.
  private mutating func bad(_ reason: String, _ line: Line, status: Int? = nil) throws(Failure) {
    if isStrict { throw Failure(.badRecord, reason, line: lineNumber) }
    output.note(.warning, "line \(lineNumber): \(reason)", rid: line.rid.count > 0 ? line.rid : nil)
    guard line.rid.count > 0 else { return }
    refuse(line, APIError(status: status ?? (side == .request ? 400 : 502), reason))
  }

  private mutating func refuse(_ line: Line, _ error: APIError) {
    guard side == .answer else { return output.refuse(line, error) }
    let id = line.id
    // One end for each answer, however many of its lines are bad.
    guard !failed.contains(id) else { return }
    fail(line, error)
    if line.isBare {
      bareIsOpen = false
    } else if line.kind != .end, failed.count < Limits.maxOpen {
      failed.insert(id)
    }
  }

  /// Has the filter say that an answer failed, in its own words: those of the client's API, or of HTTP.
  private mutating func fail(_ line: Line, _ error: APIError) {
    var made = Output()
    made.record(.error, of: line.rid, isBare: false, ctx: line.isBare ? defaults.slice : line.ctx) {
      $0.append(payload: error, requestID: line.isBare ? nil : line.rid)
    }
    let endOfError = made.bytes.count
    made.end(line.rid, isBare: false)
    let records = made.bytes.slice
    do throws(APIError) {
      for bytes in [records.cut(0, endOfError), records.cut(endOfError, records.count)] {
        guard var record = Line(scanning: bytes) else { continue }
        if line.isBare { record.form = .bare }
        try filter.take(record, to: &output)
      }
    } catch {
      filter.forget(line.id)
      output.refuse(line, error)
    }
  }

  // MARK: Bare bodies

  private mutating func nextBare() {
    bareNumber += 1
    bareRid.removeAll()
    bareRid.append("bare-")
    bareRid.append(decimal: bareNumber)
  }

  private func bare(_ kind: Line.Kind, _ bytes: ByteSlice, ctx: ByteSlice? = nil) -> Line {
    Line(form: .bare, kind: kind, bytes: bytes, rid: bareRid.slice, ctx: ctx, payload: bytes)
  }

  private mutating func takeBareRequest(_ line: Line) throws(Failure) {
    // An answer already: an earlier stage refused the request, or an earlier backend served it.
    if BareAnswer.isAnswer(line.bytes) { return output.forward(line) }
    nextBare()
    try offer(bare(.request, line.bytes))
  }

  /// Puts a bare body into the grammar of an answer.
  private mutating func takeBareAnswer(_ line: Line) throws(Failure) {
    let kind = BareAnswer(line.bytes)
    if !bareIsOpen {
      nextBare()
      if kind != .error { try offerMade(.begin, #"{"status":200,"headers":{}}"#) }
      bareIsOpen = true
    }
    switch kind {
    case .error:
      var record = Bytes(capacity: line.bytes.count + 64)
      record.append(#"{"status":500,"headers":{},"body":"#)
      record.append(line.bytes)
      record.append("}")
      try offer(bare(.error, record.slice, ctx: defaults.slice))
    case .response: try offer(bare(.response, line.bytes))
    case .event, .lastEvent: try offer(bare(.event, line.bytes))
    }
    guard kind != .event, bareIsOpen else { return }
    try offerMade(.end, "{}")
    bareIsOpen = false
  }

  private mutating func offerMade(_ kind: Line.Kind, _ payload: StaticString) throws(Failure) {
    let bytes = ByteSlice(start: payload.utf8Start, count: payload.utf8CodeUnitCount)
    try offer(bare(kind, bytes, ctx: defaults.slice))
  }

  private mutating func failBare(_ error: APIError) {
    fail(bare(.other, bareRid.slice), error)
    bareIsOpen = false
  }
}

/// What a bare body on the answer side is.
enum BareAnswer {
  case event, lastEvent, response, error

  /// The types of the events that end a stream: of Anthropic's messages, and of OpenAI's responses.
  private static let lastTypes: [StaticString] = [
    "message_stop", "response.completed", "response.incomplete", "response.failed",
  ]

  /// Whether a body among requests is an answer: those name their type, and have no messages.
  static func isAnswer(_ body: ByteSlice) -> Bool {
    guard let type = Scan.plainString(Scan.member("type", of: body)) else { return false }
    return type.equals("error") || Scan.member("messages", of: body) == nil
  }

  init(_ body: ByteSlice) {
    guard body[0] == UInt8(ascii: "{") else {
      // Literal SSE data, such as "[DONE]".
      self = body[0] == UInt8(ascii: "\"") ? (body.equals("\"[DONE]\"") ? .lastEvent : .event) : .response
      return
    }
    if let type = Scan.plainString(Scan.member("type", of: body)) {
      self =
        if type.equals("message") || type.equals("model") {
          .response
        } else if type.equals("error") {
          .error
        } else {
          Self.lastTypes.contains { type.equals($0) } ? .lastEvent : .event
        }
      return
    }
    let object = Scan.plainString(Scan.member("object", of: body))
    if object?.equals("chat.completion.chunk") == true {
      self = .event
    } else {
      self = object == nil && Scan.member("error", of: body) != nil ? .error : .response
    }
  }
}
