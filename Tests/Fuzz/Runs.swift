// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Runs a filter on any bytes, whole and in two pieces, and holds its output to what every program promises.
func runs(
  _ input: ByteSlice, _ filter: @autoclosure () -> some RecordFilter, default context: String,
  writesEventStreams: Bool = false
) {
  // Exactly as long as the input, so that the sanitizer sees the first byte read beyond it.
  let whole = output(of: filter(), on: input, cutAt: 0, context)
  let cut = input.isEmpty ? 0 : Int(input[input.count - 1]) % input.count
  let inTwo = output(of: filter(), on: input, cutAt: cut, context)
  if whole != inTwo { broken("a cut at \(cut) changes nothing", input) }

  let lines = input.split(separator: UInt8(ascii: "\n")).map { ByteSlice(rebasing: $0) }
  // What goes in as JSON comes out as JSON; of broken lines, no more is promised than that the records stay records.
  var isJSON = true
  var isBare = false
  var given: Set<[UInt8]> = []
  for bytes in lines {
    guard let line = Line(scanning: bytes) else { continue }
    isJSON = isJSON && line.form != .broken && isValid(line.bytes)
    isBare = isBare || line.form == .bare
    given.insert(Array(line.bytes))
  }
  whole.withUnsafeBufferPointer { output in
    if !output.isEmpty, output.last != UInt8(ascii: "\n") { broken("every line ends", output) }
    // The text of an event stream is no JSON.
    if isBare, writesEventStreams { return }
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let line = ByteSlice(rebasing: line)
      // Lines that were passed on are the input's business.
      if given.contains(Array(line)) { continue }
      if !isBare, Line(scanning: line)?.form != .record { broken("what is written is a record", line) }
      if isJSON, !isValid(line) { broken("what is written is JSON", line) }
      if isJSON, writesEventStreams { checkEvents(line) }
    }
  }
}

private func output(
  of filter: some RecordFilter, on input: ByteSlice, cutAt cut: Int, _ context: String
) -> [UInt8] {
  var run = Run(filter, defaultContext: context)
  do throws(Failure) {
    try run.take(input.cut(0, cut))
    try run.take(input.cut(cut, input.count))
    try run.finish()
  } catch {
    broken("no input ends the run: \(error.message)")
  }
  return Array(run.output.bytes.slice)
}

/// The data of a stream is one event, as its reader will see it.
private func checkEvents(_ line: ByteSlice) {
  guard let record = Line(scanning: line), record.kind == .data else { return }
  var data = Bytes()
  _ = data.append(unescaped: record.payload.cut(1, record.payload.count - 1))
  guard data.slice.starts(with: "data: ") || data.slice.starts(with: "event: ") else { return }
  if data.slice.offset(of: 0x0D) != nil { broken("no other end of line than LF", line) }
  var lines = data.slice.split(separator: 0x0A, omittingEmptySubsequences: false).map { ByteSlice(rebasing: $0) }
  guard lines.count >= 3, lines.removeLast().isEmpty, lines.removeLast().isEmpty else { broken("an event ends", line) }
  if lines[0].starts(with: "event: ") { lines.removeFirst() }
  if lines.isEmpty || !lines.allSatisfy({ $0.starts(with: "data: ") }) { broken("an event is data", line) }
}
