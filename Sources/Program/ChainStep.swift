// SPDX-License-Identifier: MIT
import CLinux
import JSONText
import Jansson
import Logs
import Records

/// What a stage's work depends on beside its filter.
struct StageSetting {
  /// Its place in the chain.
  var index: Int
  /// How many values a body may hold.
  var maxNodes: Int

  /// Puts them in force for what this process does next.
  func enter() {
    clinux_enter_stage(Int32(truncatingIfNeeded: index))
    JSON.maxNodes = maxNodes
  }
}

/// One stage of a ``Chain``: a filter, or a backend.
final class ChainStep {
  let log: Log
  private var run: Run
  /// What a backend writes later than it takes its requests.
  private let port: Port?
  private let setting: StageSetting

  init(_ run: consuming Run, port: Port? = nil, setting: StageSetting, log: Log) {
    self.run = run
    self.port = port
    self.setting = setting
    self.log = log
  }

  /// Whether it takes more now; what it can't take yet is kept.
  var isReady: Bool { run.filter.isReady }

  /// Takes the output of the previous stage. With `lending` it may hand on unchanged lines without a copy.
  func feed(_ bytes: ByteSlice, lending: Bool) throws(Failure) {
    setting.enter()
    try run.take(lines: bytes, lending: lending)
  }

  /// Takes what standard input has; false at its end.
  func read(lending: Bool) throws(Failure) -> Bool {
    let index = setting.index
    setting.enter()
    return try run.take(lending: lending) { (room) throws(Failure) in
      // It waits there, so it is not at work.
      clinux_enter_stage(-1)
      defer { clinux_enter_stage(Int32(truncatingIfNeeded: index)) }
      return try StandardIO.read(into: room)
    }
  }

  /// Takes the input that it had to keep.
  func resume() throws(Failure) {
    setting.enter()
    try run.resume()
  }

  /// Takes the end of its input.
  func finish() throws(Failure) {
    setting.enter()
    try run.finish()
  }

  /// Writes its log lines, then hands its records to `taker`, with whether their memory is given back afterwards.
  func handOver(to taker: (ByteSlice, _ isGivenBack: Bool) -> Void) {
    writeNotes(&run.output)
    handOverLent { taker($0, false) }
    Self.handOver(&run.output, to: taker)
    guard let port else { return }
    writeNotes(&port.output)
    Self.handOver(&port.output, to: taker)
  }

  /// Hands over the lines that it has lent, and no others.
  func handOverLent(to taker: (ByteSlice) -> Void) {
    guard !run.output.lent.isEmpty else { return }
    taker(run.output.lent)
    run.takeBack()
  }

  private func writeNotes(_ output: inout Output) {
    guard !output.notes.isEmpty else { return }
    for note in output.notes { log.write(note) }
    output.notes.removeAll()
  }

  private static func handOver(_ output: inout Output, to taker: (ByteSlice, _ isGivenBack: Bool) -> Void) {
    guard !output.bytes.isEmpty else { return }
    taker(output.bytes.slice, output.bytes.room > Limits.keptBuffer)
    output.bytes.removeAll(keeping: Limits.keptBuffer)
  }

  /// Exchanges its output buffer, if that is empty, for another one: for a larger one with `forLarger`, else for a smaller one.
  func exchange(_ buffer: inout Bytes, forLarger: Bool) {
    guard run.output.bytes.isEmpty, (buffer.room > run.output.bytes.room) == forLarger else { return }
    let own = run.output.bytes.take()
    run.output.bytes = buffer.take()
    buffer = own
  }

  /// Whether it keeps large buffers, or has taken a large record.
  var keepsMuch: Bool { run.keepsMuch || port?.output.keepsMuch == true }

  func giveBack() {
    run.giveBack()
    port?.output.giveBack()
  }
}
