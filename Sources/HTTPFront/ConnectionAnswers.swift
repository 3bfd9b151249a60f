// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import NIOHTTP1
import Records

extension Connection {
  /// Writes a whole answer.
  func answer(_ exchange: Exchange, _ answer: LocalAnswer) {
    guard let context, exchange.stage != .ended else { return }
    exchange.status = answer.status
    exchange.errorType = answer.errorType
    exchange.errorParam = answer.errorParam
    var headers = HTTPHeaders(answer.headers)
    if answer.status != 204 {
      headers.add(name: "content-type", value: answer.contentType)
      headers.add(name: "content-length", value: String(answer.body.readableBytes))
    }
    write(headers, of: exchange)
    if !exchange.isHead, answer.body.readableBytes > 0 {
      exchange.bytesOut += answer.body.readableBytes
      context.write(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
    }
    front.finished(exchange)
    end(exchange)
  }

  /// Writes the head of an answer that the pipeline makes.
  func start(_ exchange: Exchange, _ start: AnswerStart) {
    exchange.status = start.status
    exchange.stage = .answering
    exchange.isEventStream = start.headers.first(name: "content-type")?.hasPrefix("text/event-stream") ?? false
    let headers = start.headers
    if HTTPResponseStatus(statusCode: start.status).mayHaveResponseBody {
      exchange.length = headers.first(name: "content-length").flatMap { Int($0) }
    }
    if exchange.isOld, !headers.contains(name: "content-length") { exchange.keepsConnection = false }
    write(headers, of: exchange)
  }

  private func write(_ headers: HTTPHeaders, of exchange: Exchange) {
    var headers = headers
    let rid = exchange.rid.text
    headers.add(name: "x-request-id", value: rid)
    // What Anthropic's SDKs read.
    if !headers.contains(name: "request-id") { headers.add(name: "request-id", value: rid) }
    if !front.settings.origins.isEmpty { headers.add(name: "vary", value: "origin") }
    if let origin = exchange.origin {
      headers.add(name: "access-control-allow-origin", value: origin)
      headers.add(name: "access-control-expose-headers", value: Origins.exposed)
    }
    if !exchange.keepsConnection {
      headers.add(name: "connection", value: "close")
    } else if exchange.isOld {
      headers.add(name: "connection", value: "keep-alive")
    }
    let status = HTTPResponseStatus(statusCode: exchange.status)
    // As the encoder will see it: a length wins, and HTTP/1.0 knows no chunks.
    if !status.mayHaveResponseBody {
      exchange.framing = .none
    } else {
      exchange.framing = exchange.isOld || headers.contains(name: "content-length") ? .plain : .chunks
    }
    let head = HTTPResponseHead(version: exchange.isOld ? .http1_0 : .http1_1, status: status, headers: headers)
    context?.write(wrapOutboundOut(.head(head)), promise: nil)
  }

  /// Writes what has come for the client in this wake-up, if the system has room for it.
  ///
  /// Else it waits, in one piece, for ``channelWritabilityChanged(context:)``: a write of its own for each event would
  /// hold many times the event's bytes.
  func flush(_ exchange: Exchange) {
    guard let wire, wire.channel.isWritable else { return recount() }
    isFlushing = true
    write(pendingOf: exchange)
    wire.flush()
    isFlushing = false
    exchange.pending.clear()
    recount()
  }

  private func write(pendingOf exchange: Exchange) {
    guard !exchange.pending.isEmpty, exchange.framing != .none, let wire else { return }
    exchange.bytesOut += exchange.pending.count
    exchange.lastWrite = .now()
    // Past the encoder, which would make three buffers of a chunk, and past the handlers before it.
    wire.write(NIOAny(exchange.framing == .chunks ? exchange.pending.chunk() : exchange.pending.bytes), promise: nil)
  }

  /// Ends an answer that the pipeline has made.
  func finish(_ exchange: Exchange) {
    write(pendingOf: exchange)
    exchange.pending.clear()
    recount()
    front.finished(exchange)
    end(exchange)
  }

  /// Ends an answer that can't be completed: by a status where it hasn't begun, by an event in a stream of events,
  /// else by breaking the connection off. Never by what looks like a whole answer.
  func fail(_ exchange: Exchange, _ error: APIError) {
    guard exchange.stage == .answering, !exchange.collects else {
      return answer(exchange, front.failed(exchange, error))
    }
    // Only the record that says so is missing.
    if exchange.isDelivered { return finish(exchange) }
    exchange.errorType = error.type
    exchange.errorParam = error.param
    guard exchange.isEventStream else {
      front.finished(exchange)
      return abort()
    }
    var event = Bytes()
    event.append(event: error, dialect: exchange.dialect, rid: exchange.rid)
    exchange.pending.append(event.slice)
    exchange.keepsConnection = false
    finish(exchange)
  }

  /// Gives up a client that doesn't take its answer.
  func abandon(_ exchange: Exchange) {
    front.clientGone(exchange)
    abort()
  }

  /// Gives up a client, whatever it waits for.
  func giveUpClient() {
    if let current { front.clientGone(current) }
    abort()
  }

  /// How many bytes were written that the system has not yet taken; none where it is only a few.
  var bytesWritten: Int {
    guard let channel = context?.channel, !channel.isWritable else { return 0 }
    return (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
  }

  /// How many bytes wait for the client.
  var bytesWaiting: Int {
    let written = bytesWritten
    guard written > 0, let current, !current.collects else { return written }
    return written + current.pending.count
  }
}
