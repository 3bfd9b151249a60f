// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Records

/// Calls the body with the text in pieces of that size, each in memory of its own that is gone afterwards.
func inPieces(of size: Int, _ text: [UInt8], _ body: (ByteSlice) -> Void) {
  var at = 0
  while at < text.count {
    let end = min(text.count, at + min(size, text.count))
    let piece = Array(text[at..<end])
    piece.withUnsafeBufferPointer(body)
    at = end
  }
}

extension String {
  var bytes: [UInt8] { Array(utf8) }
}

/// The records of an answer to what the upstream sends, as text.
///
/// - Parameters:
///   - isStreamAsked: the request asks for a stream; nil where it asks for what comes.
///   - isWhole: the upstream's answer ends properly; else the connection breaks.
func records(
  of upstream: (head: [String], body: String), pieceSize: Int = .max, operation: Records.Operation = .messages,
  isStreamAsked: Bool? = nil, isBare: Bool = false, declined: Set<Int> = [], isWhole: Bool = true
) -> (text: String, isDeclined: Bool) {
  var out = Output()
  var ctx = Bytes()
  ctx.append(text: "{\"op\":\"\(operation.rawValue)\"}")
  var answer = Answer(
    RequestID(text: "r1", isBare: isBare), operation,
    isStreamAsked: isStreamAsked ?? upstream.head.contains { $0.lowercased().contains("event-stream") }, ctx: ctx.slice,
    declining: Declining(declined))
  for line in upstream.head + [""] {
    (line + "\r\n").bytes.withUnsafeBufferPointer { _ = answer.take(header: $0, to: &out) }
  }
  inPieces(of: pieceSize, upstream.body.bytes) { _ = answer.take($0, elapsed: 7, to: &out) }
  if isWhole { answer.finish(elapsed: 9, to: &out) } else { answer.fail(APIError(status: 502, "broken"), to: &out) }
  return (out.bytes.text, answer.isDeclined)
}
