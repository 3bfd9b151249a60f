// SPDX-License-Identifier: MIT
import CLinux
import JSONText
import Jansson
import Logs
import Records

/// One stage of a ``Chain``, whatever its filter.
protocol ChainStep: AnyObject {
  var log: Log { get }

  /// Whether it takes more now; what it can't take yet is kept.
  var isReady: Bool { get }

  /// Takes what the stage before it wrote; lending, it may hand lines of that over as they stand there.
  func feed(_ bytes: ByteSlice, lending: Bool) throws(Failure)

  /// Takes what standard input has; false at its end.
  func read(lending: Bool) throws(Failure) -> Bool

  /// Takes what was kept.
  func resume() throws(Failure)

  /// Takes the end of its input.
  func finish() throws(Failure)

  /// Writes its log lines, and hands over the records that it has written, with whether their memory is given back then.
  func handOver(to taker: (ByteSlice, _ isGivenBack: Bool) -> Void)

  /// Hands over the lines that it has lent, and no others.
  func handOverLent(to taker: (ByteSlice) -> Void)

  /// Exchanges its buffer for records for another one, if nothing is in it and it gets the larger one, or the smaller one.
  func exchange(_ buffer: inout Bytes, forLarger: Bool)

  /// Keeps large buffers, or has taken a large record.
  var keepsMuch: Bool { get }
  func giveBack()
}

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

/// A filter as a stage.
final class FilterStep<Filter: RecordFilter>: ChainStep {
  let log: Log
  private var run: Run<Filter>
  /// What a backend writes later than it takes its requests.
  private let port: Port?
  private let setting: StageSetting

  init(_ run: consuming Run<Filter>, port: Port? = nil, setting: StageSetting, log: Log) {
    self.run = run
    self.port = port
    self.setting = setting
    self.log = log
  }

  var isReady: Bool { run.filter.isReady }

  func feed(_ bytes: ByteSlice, lending: Bool) throws(Failure) {
    setting.enter()
    try run.take(lines: bytes, lending: lending)
  }

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

  func resume() throws(Failure) {
    setting.enter()
    try run.resume()
  }

  func finish() throws(Failure) {
    setting.enter()
    try run.finish()
  }

  func handOver(to taker: (ByteSlice, _ isGivenBack: Bool) -> Void) {
    writeNotes(&run.output)
    handOverLent { taker($0, false) }
    Self.handOver(&run.output, to: taker)
    guard let port else { return }
    writeNotes(&port.output)
    Self.handOver(&port.output, to: taker)
  }

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

  func exchange(_ buffer: inout Bytes, forLarger: Bool) {
    guard run.output.bytes.isEmpty, (buffer.room > run.output.bytes.room) == forLarger else { return }
    let own = run.output.bytes.take()
    run.output.bytes = buffer.take()
    buffer = own
  }

  var keepsMuch: Bool { run.keepsMuch || port?.output.keepsMuch == true }

  func giveBack() {
    run.giveBack()
    port?.output.giveBack()
  }
}
