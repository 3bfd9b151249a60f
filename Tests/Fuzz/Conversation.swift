// SPDX-License-Identifier: MIT
import JSONText
import Logs
import NIOCore
import NIOEmbedded
import Records

@testable import HTTPFront

/// What a client's bytes came to: the records they made, and the answers it got.
///
/// The handlers are the server's own; what is missing is the socket, and the pipeline: each record is taken from where
/// it waits for one, and answered by `{}`.
struct Conversation {
  struct Answer: Equatable {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// The record that this answers, if there is one.
    var record: [UInt8]?

    static func == (one: Answer, other: Answer) -> Bool {
      // An answer without an error may tell the time.
      one.status == other.status && (one.record == nil) == (other.record == nil)
        && (one.status < 400 || one.bodyWithoutID == other.bodyWithoutID)
    }

    /// The head is no HTTP request, and the connection ends.
    var isMalformed: Bool {
      status == 400 && record == nil && String(decoding: body, as: UTF8.self).contains("this is not an HTTP request")
    }
    /// The head exceeds ``Conversation/maxHeader``, and the connection ends.
    var isTooLarge: Bool { status == 431 && record == nil }

    var id: String? { headers.first { $0.name == "x-request-id" }?.value }

    /// The body, but for the request's name at its end.
    private var bodyWithoutID: ArraySlice<UInt8> { body.dropLast((id?.utf8.count ?? 0) + 2) }
  }

  private(set) var answers: [Answer] = []
  /// The records, by the names of their requests.
  private var records: [String: [UInt8]] = [:]
  private var output: [UInt8] = []
  private let channel = EmbeddedChannel(loop: Self.loop)
  private var front: Front { Self.front }

  /// The largest head of a request, in bytes: small, so that inputs exceed it too.
  static let maxHeader = 2_048

  private static let loop = EmbeddedEventLoop()
  /// One for all conversations, as in a server.
  nonisolated(unsafe) private static let front: Front = {
    var settings = FrontSettings(
      environment: Environment([[UInt8]]()), log: Log(program: "fuzz", level: .error))
    settings.maxHeader = maxHeader
    return Front(settings, loop: loop)
  }()

  /// - Parameter cuts: where the bytes are cut into pieces, in order.
  init(_ bytes: [UInt8], cuts: [Int]) {
    do {
      channel.remoteAddress = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
      try Server.connect(channel, to: front, isPipe: false, isLocal: true).wait()
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
      var from = 0
      for end in cuts + [bytes.count] where channel.isActive {
        try channel.writeInbound(ByteBuffer(bytes: bytes[from..<end]))
        from = end
        try answerAll()
      }
      channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
      try answerAll()
      _ = try channel.finish(acceptAlreadyClosed: true)
      // A client that is gone leaves nothing behind, a few seconds later.
      Self.loop.advanceTime(by: .seconds(FrontLimits.linger + 1))
      front.submitQueue()
      if !front.exchanges.isEmpty || !front.isIdle { broken("nothing is left of a connection") }
    } catch {
      broken("no bytes break the connection's handlers: \(error)")
    }
    cutAnswers()
  }

  /// Answers what waits for a pipeline; that lets the next request of the same bytes come.
  private mutating func answerAll() throws {
    while let exchange = front.exchanges.values.first(where: { $0.stage == .queued }) {
      guard records[exchange.rid.text] == nil else { broken("a request makes one record") }
      records[exchange.rid.text] = Array(exchange.record.readableBytesView)
      exchange.connection?.answer(exchange, LocalAnswer(text: "{}"))
    }
    while case .byteBuffer(let bytes)? = try channel.readOutbound(as: IOData.self) { output += bytes.readableBytesView }
  }

  private mutating func cutAnswers() {
    var rest = output[...]
    while !rest.isEmpty {
      guard let end = rest.indices.first(where: { rest[$0...].starts(with: "\r\n\r\n".utf8) }) else {
        broken("a head of an answer ends")
      }
      let head = String(decoding: rest[..<end], as: UTF8.self)
      guard head.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x0D || $0 == 0x0A }) else {
        broken("a head of an answer has no control characters")
      }
      let lines = head.split(separator: "\r\n")
      rest = rest[(end + 4)...]
      guard lines[0].hasPrefix("HTTP/1."), let status = Int(lines[0].dropFirst(9).prefix(3)) else {
        broken("an answer has a status")
      }
      if status < 200 { continue }
      var answer = Answer(status: status, headers: [], body: [])
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":") else { broken("a header has a colon") }
        answer.headers.append((String(line[..<colon]), strictlyTrimmed(String(line[line.index(after: colon)...]))))
      }
      let length = answer.headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
      // The answer to HEAD has a length, and nothing of it.
      if !rest.starts(with: "HTTP/1.".utf8), !rest.isEmpty {
        guard length <= rest.count else { broken("an answer is as long as it says") }
        answer.body = Array(rest.prefix(length))
        rest = rest.dropFirst(length)
      }
      guard let id = answer.id else { broken("an answer says which request it is of") }
      answer.record = records.removeValue(forKey: id)
      answers.append(answer)
    }
    if !records.isEmpty { broken("what made a record gets an answer") }
  }
}
