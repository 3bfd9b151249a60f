// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Records

/// What an upstream sends, a head and a body, becomes one answer in records, however it is cut.
///
/// The first byte says what was asked for.
func httpAnswer(_ input: ByteSlice) {
  guard let flags = input.first else { return }
  let response = Array(input.dropFirst())
  let cut = response.isEmpty ? 0 : Int(response[response.count - 1]) * 31 % (response.count + 1)
  let whole = records(of: response, flags: flags, pieces: .max)
  if whole != records(of: response, flags: flags, pieces: 1) { broken("bytes one by one change nothing", input) }
  if whole != records(of: response, flags: flags, pieces: max(1, cut)) { broken("a cut changes nothing", input) }
  whole.withUnsafeBufferPointer { check($0, isStreamAsked: flags & 1 != 0) }
}

private func records(of response: [UInt8], flags: UInt8, pieces size: Int) -> [UInt8] {
  var out = Output()
  let operation: Records.Operation =
    flags & 6 == 0 ? .messages : [.countTokens, .models, .model][Int(flags >> 1 & 3) - 1]
  let isStreamAsked = flags & 1 != 0 && operation == .messages
  var answer = Answer(
    RequestID(text: "r"), operation, isStreamAsked: isStreamAsked, ctx: nil,
    declining: Declining(flags & 8 != 0 ? [529] : []))
  response.withUnsafeBufferPointer { bytes in
    var at = 0
    // The lines of the head, as libcurl hands them over.
    while at < bytes.count, let end = bytes.offset(of: 0x0A, from: at) {
      let line = bytes.cut(at, end + 1)
      at = end + 1
      guard answer.take(header: line, to: &out) else { return }
      if line.count <= 2 { break }
    }
    while at < bytes.count {
      let end = min(bytes.count, size == .max ? bytes.count : at + size)
      // In memory of its own, so that the sanitizer sees who keeps it.
      let piece = Array(bytes[at..<end])
      guard piece.withUnsafeBufferPointer({ answer.take($0, elapsed: 1, to: &out) }) else { break }
      at = end
    }
    answer.finish(elapsed: 1, to: &out)
  }
  if answer.isDeclined {
    if !out.bytes.isEmpty { broken("nothing is written of a declined request", out.bytes.slice) }
    return []
  }
  // A head that was cut off has been answered already.
  if !answer.isOver { broken("what has ended is over", out.bytes.slice) }
  return Array(out.bytes.slice)
}

/// The records follow the grammar, and a success has what was asked for.
private func check(_ output: ByteSlice, isStreamAsked: Bool) {
  var kinds: [Line.Kind] = []
  var types: [String] = []
  for line in output.split(separator: UInt8(ascii: "\n")) {
    let line = ByteSlice(rebasing: line)
    guard let record = Line(scanning: line), record.form == .record, record.rid.equals("r") else {
      broken("each line is a record of this request", output)
    }
    if !UTF8Check.isValid(line) { broken("each line is UTF-8", line) }
    kinds.append(record.kind)
    if record.kind == .event { types.append(Scan.plainString(Scan.member("type", of: record.payload))?.text ?? "") }
  }
  guard !kinds.isEmpty else { return }
  if kinds.last != .end || kinds.filter({ $0 == .end }).count != 1 { broken("there is one end", output) }
  guard kinds.first == .begin else {
    if kinds != [.error, .end] { broken("an answer begins, or is an error", output) }
    return
  }
  let isError = kinds.dropLast().last == .error
  let middle = kinds.dropFirst().dropLast(isError ? 2 : 1)
  if middle.contains(.response) {
    if middle.count != 1 || isError { broken("a whole answer is alone", output) }
    return
  }
  if !middle.allSatisfy({ $0 == .event }) { broken("the rest are events", output) }
  if isError { return }
  if !isStreamAsked { broken("no stream where none was asked for", output) }
  let message = types.drop { $0 == "ping" }
  if message.first != "message_start" || message.last != "message_stop" { broken("a message starts and stops", output) }
  if message.filter({ $0 == "message_start" }).count != 1 { broken("there is one message", output) }
}
