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
  let isJSON = lines.allSatisfy { line in
    guard let line = Line(scanning: line) else { return true }
    return isValid(line.bytes) && line.form != .broken
  }
  let isBare = lines.contains { Line(scanning: $0)?.form == .bare }
  whole.withUnsafeBufferPointer { output in
    if !output.isEmpty, output.last != UInt8(ascii: "\n") { broken("every line ends", output) }
    // The text of an event stream is no JSON.
    if isBare, writesEventStreams { return }
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let line = ByteSlice(rebasing: line)
      // Lines that were passed on are the input's business.
      if lines.contains(where: { $0.equals(line) || Line(scanning: $0)?.bytes.equals(line) == true }) { continue }
      if !isBare, Line(scanning: line)?.form != .record { broken("what is written is a record", line) }
      if isJSON, !isValid(line) { broken("what is written is JSON", line) }
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
