// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Records

/// Tries the stages of a pipeline one by one, with a health request, and finds the one that is wrong.
///
/// Stages that share a process are tried together, which is quick. Where they fail, each of them is tried alone.
/// Each stage gets what the stage before it wrote, while its input stays open: so a stage that buffers its output
/// is found. The trial blocks, so a server runs it in a separate thread.
package final class StageTrial: @unchecked Sendable {
  package enum Verdict: Equatable {
    case healthy
    /// The pipeline works, and its backend can't serve for this reason.
    case unhealthy(String)
    /// A stage is wrong: which, how, and what to do.
    case wrong(String)
    case cancelled
  }

  /// How the output of one stage ended.
  private enum Ending {
    case complete
    /// Nothing more came in time.
    case silent
    case closed
  }

  private static let rid: StaticString = "check"

  private let commands: [[String]]
  private let environment: Environment
  /// Where the stages' errors go.
  private let errors: Int32
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var isCancelled = false
  private var current: Stage?

  /// - Parameter errors: the descriptor that the stages get as standard error.
  package init(_ commands: [[String]], environment: Environment, errors: Int32 = STDERR_FILENO) {
    self.commands = commands
    // No process is started for requests that won't come.
    self.environment = environment.setting(("CLAUDE_WARM_PROCESSES", "0"))
    self.errors = errors
    pthread_mutex_init(mutex, nil)
  }

  deinit { mutex.deallocate() }

  /// Ends it from another thread, with the stage at hand.
  func cancel() {
    pthread_mutex_lock(mutex)
    isCancelled = true
    current?.signal(SIGKILL)
    pthread_mutex_unlock(mutex)
  }

  package func run() -> Verdict {
    // A stage that ends at once shows by its status.
    signal(SIGPIPE, SIG_IGN)
    var records = Bytes()
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    records.append(#"{"rid":"check","ctx":{"op":"health","dialect":"anthropic","http":{"method":"GET","#)
    records.append(#""path":"/health/ready","headers":{},"peer":"127.0.0.1","time":"#)
    records.append(decimal: time.tv_sec * 1_000_000)
    records.append("}},\"request\":null}\n")
    for group in StageGroup.all(of: commands) {
      var output = Bytes()
      do throws(Failure) {
        if let fault = try self.fault(of: group, records, &output) {
          let fault = isCancelled ? fault : faultOfOne(of: group, records) ?? fault
          return isCancelled ? .cancelled : .wrong(fault)
        }
      } catch {
        return .wrong(error.message)
      }
      records = output
    }
    return verdict(records)
  }

  /// What is wrong with the first wrong stage of a group that failed; nil where each of them does well alone.
  private func faultOfOne(of group: StageGroup, _ input: borrowing Bytes) -> String? {
    guard group.isPipe else { return nil }
    var records = Bytes()
    records.append(input.slice)
    for part in group.parts {
      var output = Bytes()
      do throws(Failure) {
        if let fault = try fault(of: part, records, &output) { return fault }
      } catch {
        // The group has all its programs within itself. That a file of one is missing is not why the group failed.
        return nil
      }
      records = output
    }
    return nil
  }

  // MARK: One stage

  /// What is wrong with a stage, or with several that share a process; or nothing.
  private func fault(
    of group: StageGroup, _ input: borrowing Bytes, _ output: inout Bytes
  ) throws(Failure) -> String? {
    let words = group.words
    var (to, from): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    defer { for end in to + from where end >= 0 { close(end) } }
    guard clinux_pipe(&to) == 0, clinux_pipe(&from) == 0 else {
      throw Failure(.system, "no pipe: \(String(cString: strerror(errno)))", errno: errno)
    }
    let stage = try Stage(words, input: to[0], output: from[1], errors: errors, environment: environment)
    close(to[0])
    close(from[1])
    (to[0], from[1]) = (-1, -1)
    hold(stage)
    defer {
      close(to[1])
      to[1] = -1
      release(stage)
    }
    clinux_set_nonblocking(to[1])
    clinux_set_nonblocking(from[0])
    let name = group.name
    // A backend may have to find the CLI and ask it.
    let limit = Secrets.isBackend(words) ? FrontLimits.trialTimeout : FrontLimits.healthTimeout
    var written = 0
    var ending = exchange(input, &written, to[1], from[0], limit, &output)
    if let wrong = wrongLine(output) { return "\(name) \(wrong)" }
    if case .silent = ending {
      let before = output.count
      close(to[1])
      to[1] = -1
      ending = exchange(input, &written, -1, from[0], 2, &output)
      if let wrong = wrongLine(output) { return "\(name) \(wrong)" }
      if output.count > before {
        return "\(name) wrote nothing within \(limit) s, and then wrote when its input ended: it buffers its output. "
          + "Write each line at once (jq: --unbuffered; Python: print(…, flush=True); sed: -u; awk: fflush())"
      }
      return "\(name) wrote nothing within \(limit) s for a health request. A stage must hand on each record that it "
        + "does not answer itself"
    }
    if case .closed = ending {
      return "\(name) \(end(of: stage)) before it had handed on a record. A stage must read until its input ends. "
        + #"To see why it ended, run: echo '{"rid":"r1","request":null}' | "# + Stage.text(of: words)
    }
    return nil
  }

  /// Writes the input and reads the output until it is complete, or the time is over.
  private func exchange(
    _ input: borrowing Bytes, _ written: inout Int, _ to: Int32, _ from: Int32, _ seconds: Int64,
    _ output: inout Bytes
  ) -> Ending {
    let until = MonotonicClock.now + seconds * 1_000
    while true {
      if isComplete(output) { return .complete }
      let left = until - MonotonicClock.now
      guard left > 0 else { return .silent }
      var ends = [pollfd(fd: from, events: Int16(POLLIN), revents: 0)]
      if to >= 0, written < input.count { ends.append(pollfd(fd: to, events: Int16(POLLOUT), revents: 0)) }
      guard poll(&ends, nfds_t(ends.count), Int32(left)) > 0 else { continue }
      if ends.count > 1, ends[1].revents != 0 {
        let count = Glibc.write(to, input.slice.baseAddress! + written, input.count - written)
        // One that reads no more shows by its end.
        written = count >= 0 ? written + count : errno == EAGAIN ? written : input.count
      }
      guard ends[0].revents != 0 else { continue }
      let count = output.appending(atMost: 64 << 10) { Glibc.read(from, $0.baseAddress, $0.count) }
      if count == 0 { return .closed }
      if output.count > Limits.maxLine { return .silent }
    }
  }

  /// Whether a stage is done: it handed the request on, or ended an answer, or what it wrote is wrong.
  private func isComplete(_ output: borrowing Bytes) -> Bool {
    if wrongLine(output) != nil { return true }
    var isComplete = false
    forEachLine(output) { line in
      if line.form == .record, line.kind == .request || line.kind == .end { isComplete = true }
    }
    return isComplete
  }

  /// What is wrong with the lines that a stage wrote.
  private func wrongLine(_ output: borrowing Bytes) -> String? {
    var wrong: String?
    forEachLine(output) { line in
      guard wrong == nil else { return }
      guard line.form == .record else { return wrong = Self.complaint(of: line) }
      guard line.rid.equals(Self.rid) else {
        return wrong = "changed the \"rid\" of a record. Write the \"rid\" that came"
      }
      switch line.kind {
      case .request, .begin, .error, .http:
        guard line.ctx.flatMap({ Scan.member("op", of: $0) }) == nil else { return }
        wrong = "dropped the \"ctx\" of a record. Write the \"ctx\" that came, after \"rid\""
      default: break
      }
    }
    return wrong
  }

  /// The message about a line that is not a record: how the line starts, and what to do about it.
  static func complaint(of line: Line) -> String {
    let start = Self.start(of: line.bytes)
    if line.rid.count > 0, line.bytes.starts(with: #"{"rid""#) {
      return "wrote a record that is not well formed (starts with: \(start))"
    }
    let said = #"wrote a line whose first member is not "rid" (starts with: \#(start))"#
    if line.rid.count > 0 { return said + #". Write "rid" first, then "ctx" (jq: not -S; Python: not sort_keys)"# }
    if line.bytes.count <= 2, line.bytes.starts(with: "{") || line.bytes.starts(with: "[") {
      return said + ". A record is one line: does jq lack -c?"
    }
    return said + "; does a filter print to stdout or reorder members?"
  }

  /// How a line starts: of an object the first name, of other text the first word or two. What follows may be a prompt,
  /// and is nothing for the log.
  private static func start(of line: ByteSlice) -> String {
    let isObject = line.starts(with: "{")
    var end = 0
    while end < min(line.count, 24), !isObject || line[end] != UInt8(ascii: ":") { end += 1 }
    return String(decoding: line.cut(0, end), as: UTF8.self) + (end < line.count ? "…" : "")
  }

  private func forEachLine(_ output: borrowing Bytes, _ body: (Line) -> Void) {
    let all = output.slice
    var at = 0
    while let end = all.offset(of: UInt8(ascii: "\n"), from: at) {
      if let line = Line(scanning: all.cut(at, end)) { body(line) }
      at = end + 1
    }
  }

  // MARK: Its end

  private func hold(_ stage: Stage) {
    pthread_mutex_lock(mutex)
    current = stage
    if isCancelled { stage.signal(SIGKILL) }
    pthread_mutex_unlock(mutex)
  }

  /// Ends a stage in steps, its input being closed: TERM, KILL.
  private func release(_ stage: Stage) {
    _ = hasEnded(stage, within: 1_000)
    if !stage.hasEnded {
      stage.signal(SIGTERM)
      _ = hasEnded(stage, within: 1_000)
    }
    pthread_mutex_lock(mutex)
    current = nil
    stage.destroy()
    pthread_mutex_unlock(mutex)
  }

  private func hasEnded(_ stage: Stage, within milliseconds: Int64) -> Bool {
    let until = MonotonicClock.now + milliseconds
    while !stage.hasEnded, !stage.checkEnded(), MonotonicClock.now < until { usleep(5_000) }
    return stage.hasEnded
  }

  private func end(of stage: Stage) -> String {
    hasEnded(stage, within: 200) ? stage.ending : "closed its output"
  }

  // MARK: What the last stage wrote

  private func verdict(_ records: borrowing Bytes) -> Verdict {
    var status: Int?
    var body = Bytes()
    var isAnswered = false
    forEachLine(records) { line in
      switch line.kind {
      case .http: status = Scan.member("status", of: line.payload).flatMap { Int($0.text) }
      case .data: if line.payload.count >= 2 { _ = body.append(unescaped: line.payload.cut(1, line.payload.count - 1)) }
      case .begin, .event, .response, .error, .end: isAnswered = true
      default: break
      }
    }
    guard let status else {
      return .wrong(
        isAnswered
          ? "the pipeline wrote no \"http\" record: its last stage must be sse-encode"
          : "no stage answered a health request: the pipeline needs a backend, such as claude-exec or claude-http")
    }
    guard status != 200 else { return .healthy }
    var reason = Bytes()
    let error = Scan.member("error", of: body.slice).map { Scan.member("message", of: $0) ?? $0 }
    if let error, error.count >= 2, reason.append(unescaped: error.cut(1, error.count - 1)) {
      return .unhealthy(reason.text)
    }
    return .unhealthy("status \(status)")
  }
}
