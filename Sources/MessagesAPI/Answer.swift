// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The answer to one request, made of the lines and bytes that the upstream sends.
///
/// It knows nothing of connections and time: it takes bytes, writes records, and says whether it is over.
package struct Answer: ~Copyable {
  package let id: RequestID
  package private(set) var isOver = false
  /// The request failed in a way that another backend may take up: nothing was written for it, nothing will be.
  package private(set) var isDeclined = false
  /// It failed in a way that may pass, and is to be tried again in so many milliseconds: nothing was written.
  package private(set) var retryWait: Int?
  /// What went wrong, where something did.
  package private(set) var failure: Int?

  /// More than the answer may have come on the connection, so it must not be used again.
  package private(set) var isConnectionSpoilt = false
  /// More than the answer has come on the connection.
  package private(set) var hasSurplus = false

  private let operation: Operation
  private let isStreamAsked: Bool
  private let declining: Declining
  private var retrying: Retrying
  /// How long the answer may take from now on, in milliseconds, and a number from 0 to 1: for another try.
  package var patience = 0, chance = 0.0
  private var ctx: Bytes
  /// What each event's record begins with.
  private var prefix = Bytes()
  private var head = AnswerHead()
  private var chunks = ChunkDecoder()
  private var decoder = EventDecoder()
  private var body = Bytes()
  private var accounting = Accounting()
  package private(set) var hasBegun = false
  private var order = EventOrder()
  /// How much has come since the answer was over.
  private var rest = 0

  /// - Parameters:
  ///   - isStreamAsked: the request asks for a stream of events.
  ///   - ctx: the request's.
  ///   - declining: what is another backend's to answer, as long as nothing has been written.
  ///   - retrying: how often it may be tried again before that.
  package init(
    _ id: RequestID, _ operation: Operation, isStreamAsked: Bool, ctx: ByteSlice?, declining: Declining,
    retrying: Retrying = Retrying()
  ) {
    self.id = id
    self.retrying = retrying
    self.operation = operation
    self.isStreamAsked = isStreamAsked
    self.declining = declining
    self.ctx = Bytes()
    if let ctx { self.ctx.append(ctx) }
    guard !id.isBare else { return }
    prefix.append(#"{"rid":""#)
    prefix.append(text: id.text)
    prefix.append(#"","event":"#)
  }

  // MARK: What the upstream sends

  /// Takes one line of the upstream's head, or of its trailers. What the client gets begins with the first event, since a
  /// stream may turn out to be an error.
  ///
  /// Returns false where no more is to be taken: the transfer has to end, and its connection with it.
  package mutating func take(header line: ByteSlice, to out: inout Output) -> Bool {
    head.take(line)
    // libcurl does not report what comes after such a head in the same read.
    if head.isComplete, head.isWithoutBody { isConnectionSpoilt = true }
    guard head.isTooLong else { return true }
    fail(APIError(status: 502, "the API's answer has headers of more than \(HTTPLimits.maxHead >> 10) KiB"), to: &out)
    return false
  }

  /// How long the upstream keeps an idle connection, in seconds, where it says so.
  package var keepAlive: Int? { head.keepAlive }

  /// How many bytes of the answer are held.
  package var held: Int { body.count }

  private var isStream: Bool { head.status == 200 && head.isEventStream }

  /// Takes the next bytes of the upstream's body, as they came over the connection.
  ///
  /// Returns false where no more is to be taken: the transfer has to end, and its connection with it.
  ///
  /// - Parameter elapsed: milliseconds since the request came.
  package mutating func take(_ bytes: ByteSlice, elapsed: Int, to out: inout Output) -> Bool {
    if isOver {
      rest += bytes.count
      guard rest <= HTTPLimits.maxRest else { return false }
    }
    guard head.isChunked else {
      take(content: bytes, elapsed: elapsed, to: &out)
      return true
    }
    chunks.take(bytes)
    do throws(ChunkDecoder.Malformed) {
      while let data = try chunks.next() { take(content: data, elapsed: elapsed, to: &out) }
    } catch {
      fail(
        APIError(status: 502, "the API's answer has malformed chunks, or chunks with too long sizes or trailers"),
        to: &out)
      return false
    }
    if chunks.hasSurplus { (isConnectionSpoilt, hasSurplus) = (true, true) }
    return true
  }

  private mutating func take(content bytes: ByteSlice, elapsed: Int, to out: inout Output) {
    guard !isOver else { return }
    guard isStream else { return collect(bytes, to: &out) }
    decoder.take(bytes)
    do throws(EventDecoder.TooLong) {
      while let data = try decoder.next() {
        take(event: data, elapsed: elapsed, to: &out)
        if isOver { return }
      }
    } catch {
      fail(APIError(status: 502, "the API sent an event of more than \(HTTPLimits.maxEvent >> 20) MiB"), to: &out)
    }
  }

  private mutating func collect(_ bytes: ByteSlice, to out: inout Output) {
    let limit = head.status == 200 ? HTTPLimits.maxBody : HTTPLimits.maxErrorBody
    if body.count + bytes.count <= limit { return body.append(bytes) }
    if head.status != 200 { return fail(unexplained, to: &out) }
    fail(APIError(status: 502, "the API's answer is longer than \(limit >> 20) MiB"), to: &out)
  }

  private mutating func take(event data: ByteSlice, elapsed: Int, to out: inout Output) {
    let data = data.cut(Scan.skipSpace(data, 0), data.count)
    guard !data.isEmpty else { return }
    guard let event = StreamEvent(data) else {
      return fail(APIError(status: 502, "the API sent an event that is not JSON"), to: &out)
    }
    if event == .error { return refuse(event: data, to: &out) }
    if let complaint = isStreamAsked
      ? order.take(event, data) : "the API answered with a stream, which was not asked for"
    {
      return fail(APIError(status: 502, complaint), to: &out)
    }
    begin(&out)
    out.bytes.append(prefix.slice)
    out.bytes.append(mending: data)
    out.bytes.append(id.isBare ? "\n" : "}\n")
    switch event {
    case .messageStart:
      if let message = Scan.member("message", of: data) { accounting.take(message: message, elapsed: elapsed) }
    case .messageDelta:
      if let usage = Scan.member("usage", of: data) { accounting.take(usage: usage) }
    case .messageStop: end(&out)
    case .error, .other: break
    }
  }

  /// Takes the proper end of the upstream's answer.
  package mutating func finish(elapsed: Int, to out: inout Output) {
    guard !isOver else { return }
    if head.status != 200 { return refuse(&out) }
    if isStream { return fail(APIError(status: 502, "the API's stream ended before the message did"), to: &out) }
    guard Self.flatten(body) else { return fail(APIError(status: 502, "the API's answer is not JSON"), to: &out) }
    switch AnswerShape(of: body.slice, to: operation) {
    case .refusal(let status): return fail(status, body: body.slice, to: &out)
    case .other(let words): return fail(APIError(status: 502, words), to: &out)
    case .success: break
    }
    if isStreamAsked {
      return fail(APIError(status: 502, "the API answered a request for a stream with a whole message"), to: &out)
    }
    begin(&out)
    out.record(.response, of: id) { $0.append(mending: body.slice) }
    if operation == .messages { accounting.take(message: body.slice, elapsed: elapsed) }
    end(&out)
  }

  /// An error in the stream: the status belongs to its type.
  private mutating func refuse(event data: ByteSlice, to out: inout Output) {
    guard let status = Scan.member("error", of: data).flatMap({ AnswerShape.status(of: $0) }) else {
      return fail(APIError(status: 502, "the API sent an error that says nothing"), to: &out)
    }
    fail(status, body: data, to: &out)
  }

  /// An answer of another status than 200.
  private mutating func refuse(_ out: inout Output) {
    // Redirects aren't followed: they would carry the key to who knows where.
    guard (400..<600).contains(head.status) else { return fail(unexplained, to: &out) }
    let hasError = Self.flatten(body) && Scan.member("error", of: body.slice)?[0] == UInt8(ascii: "{")
    if hasError { fail(head.status, body: body.slice, to: &out) } else { fail(unexplained, to: &out) }
  }

  /// What to say of an upstream's answer that doesn't say it in the API's way.
  private var unexplained: APIError {
    (400..<600).contains(head.status)
      ? APIError(status: head.status, "the API answered with status \(head.status)")
      : APIError(status: 502, "the API answered with status \(head.status), which is no answer to this request")
  }

  /// Checks that it is one JSON value, and brings it on one line.
  private static func flatten(_ text: borrowing Bytes) -> Bool {
    var check = JSONCheck(maxNodes: .max)
    guard (try? check.take(UnsafeMutableBufferPointer(mutating: text.slice))) != nil else { return false }
    return check.isComplete
  }

  // MARK: Records

  private mutating func begin(_ out: inout Output) {
    guard !hasBegun else { return }
    hasBegun = true
    out.record(.begin, of: id, ctx: context) {
      head.append(to: &$0)
      $0.append("}")
    }
    ctx = Bytes()
  }

  private var context: ByteSlice? { ctx.isEmpty ? nil : ctx.slice }

  /// Ends the answer with an error of our own, with the headers that the upstream may have sent; for good, where time
  /// is up.
  package mutating func fail(_ error: APIError, isFinal: Bool = false, to out: inout Output) {
    if isFinal { patience = 0 }
    var body = Bytes()
    var rid = id.text
    rid.withUTF8 { body.append(body: error, requestID: id.isBare ? nil : $0) }
    fail(error.status, body: body.slice, to: &out)
  }

  /// Ends the answer with an error whose body is there, if it isn't over.
  private mutating func fail(_ status: Int, body: ByteSlice, to out: inout Output) {
    guard !isOver else { return }
    isOver = true
    failure = status
    if !hasBegun, let wait = retrying.wait(after: status, head, chance: chance, within: patience) {
      retryWait = wait
      return
    }
    if !hasBegun, declining.covers(status) {
      isDeclined = true
      return
    }
    if id.isBare {
      out.bytes.append(body, "\n")
    } else {
      out.record(.error, of: id, ctx: hasBegun ? nil : context) {
        head.append(status: status, to: &$0)
        $0.append(#","body":"#)
        $0.append(mending: body)
        $0.append("}")
      }
    }
    writeEnd(&out)
  }

  /// Forgets what came of the last try.
  package mutating func retry() {
    head = AnswerHead()
    chunks = ChunkDecoder()
    decoder = EventDecoder()
    body.removeAll()
    accounting = Accounting()
    (isOver, retryWait, failure) = (false, nil, nil)
    (isConnectionSpoilt, hasSurplus, rest, order) = (false, false, 0, EventOrder())
  }

  /// Ends the answer of a client that is gone.
  package mutating func cancel(to out: inout Output) {
    guard !isOver || retryWait != nil else { return }
    (isOver, retryWait) = (true, nil)
    out.record(.end, of: id) { $0.append(#"{"cancelled":true}"#) }
  }

  private mutating func end(_ out: inout Output) {
    isOver = true
    writeEnd(&out)
  }

  private func writeEnd(_ out: inout Output) {
    out.record(.end, of: id) { accounting.append(to: &$0) }
  }
}
