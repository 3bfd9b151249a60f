// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Logs
import Reactor
import Records

/// One request on its way: in line, then carried by a process, then over.
final class Turn {
  let id: RequestID
  /// Until it is carried: images are large.
  private var request: MessagesRequest?
  private let ctx: Bytes
  private let came = Reactor.now
  private let backend: ClaudeBackend
  private var answer: Answer?
  private(set) var isOver = false
  private var child: Child?
  private var transcript: String?
  private var deadline: Reactor.Timer?
  private var idle: Reactor.Timer?

  init(_ id: RequestID, _ request: MessagesRequest, ctx: consuming Bytes, backend: ClaudeBackend) {
    self.id = id
    self.request = request
    self.ctx = ctx
    self.backend = backend
  }

  private var settings: ClaudeBackend.Settings { backend.settings }
  private var reactor: Reactor { backend.reactor }

  /// Sets the time by which a process must be free.
  func wait() {
    deadline = reactor.after(milliseconds: settings.queueTimeout * 1_000) { [unowned self] in
      backend.leave(self)
      fail(
        APIError(
          status: 529, "all \(settings.maxProcesses) processes of the proxy are busy",
          headers: [("retry-after", "5")]))
    }
  }

  // MARK: Its process

  /// Starts the process; false where the answer is over without one.
  func start(_ cli: Installation.CLI) -> Bool {
    reactor.cancel(deadline)
    guard let request else { return false }
    self.request = nil
    var freight = Freight(request, auth: cli.auth, makeID: UniqueID.make)
    if settings.isStrict, !freight.losses.isEmpty {
      let list = freight.losses.map { "\($0.field): \($0.fate)" }.joined(separator: "; ")
      fail(.invalid("the Claude CLI can't carry this request exactly: \(list)"))
      return false
    }
    var context = Bytes(capacity: ctx.count + 64)
    context.append(ctx: ctx.slice, adding: freight.losses)
    answer = Answer(id, ctx: context, wantsStream: request.wantsStream, auth: cli.auth)
    do throws(Failure) {
      let file = try backend.files.write(freight.transcript, named: "\(UniqueID.make()).jsonl")
      transcript = file
      child = try Child(
        Child.Program(
          path: cli.path,
          arguments: Contract.flags(
            model: request.model, auth: cli.auth, transcript: file, last: freight.last),
          environment: ChildEnvironment.make(
            from: backend.environment, auth: cli.auth, client: settings.client, betas: request.betas,
            omitting: request.hasTopPAlone ? [Contract.noThinking] : []),
          directory: backend.files.neutral),
        guardian: backend.guardian, reactor: reactor, handlers: handlers)
    } catch {
      backend.log.write(.error, error.message, ["id": id.text])
      removeTranscript()
      fail(APIError(status: 500, "the proxy could not start the Claude CLI"))
      return false
    }
    child?.write(freight.frames)
    freight.frames.removeAll(keeping: 0)
    deadline = reactor.after(milliseconds: settings.requestTimeout * 1_000) { [unowned self] in
      give(APIError(status: 504, "the answer took longer than \(settings.requestTimeout) s"))
    }
    watchSilence()
    return true
  }

  private var handlers: Child.Handlers {
    Child.Handlers(
      line: { [unowned self] in take($0) },
      tooLong: { [unowned self] in
        give(CLIError.broken("the Claude CLI wrote a line of more than \(Limits.maxLine >> 20) MiB"))
      },
      errorLine: { [unowned self] in logError($0) },
      ended: { [self] in ended($0) })
  }

  private func take(_ line: ByteSlice) {
    guard !isOver else { return }
    let line = CLILine(line)
    if case .started = line { removeTranscript() }
    let elapsed = Int((Reactor.now - came) / 1_000_000)
    let verdict = backend.write { answer?.take(line, elapsed: elapsed, now: time(nil), to: &$0) ?? .more }
    guard verdict != .more else { return }
    if answer?.failure?.status == 401 { backend.installation.doubt() }
    settle()
    if verdict == .overAndKill { child?.kill() } else { child?.end() }
  }

  private func ended(_ end: Child.End) {
    removeTranscript()
    if !isOver { fail(CLIError.broken("the Claude CLI ended before the answer was complete (\(end))")) }
    child = nil
    backend.ended(self)
  }

  /// One line for the operator; cut so that the log's own line stays within 4,096 bytes however it is escaped.
  private func logError(_ line: ByteSlice) {
    let plain = line.prefix(1_900).map { $0 < 0x20 ? 0x20 : $0 }
    guard plain.contains(where: { $0 != 0x20 }) else { return }
    backend.log.write(.warning, String(decoding: plain, as: UTF8.self), ["id": id.text, "source": "claude"])
  }

  private func removeTranscript() {
    if let transcript { backend.files.remove(transcript) }
    transcript = nil
  }

  // MARK: Its end

  private func watchSilence() {
    guard let child else { return }
    let limit = UInt64(settings.idleTimeout) * 1_000_000_000
    idle = reactor.at(child.lastHeard + limit) { [unowned self] in
      guard Reactor.now < child.lastHeard + limit else {
        return give(APIError(status: 504, "the Claude CLI was silent for \(settings.idleTimeout) s"))
      }
      watchSilence()
    }
  }

  /// Gives up: an error for the client, and the process is stopped.
  private func give(_ error: APIError) {
    fail(error)
    child?.terminate()
  }

  /// Answers with an error, where the answer isn't over.
  func fail(_ error: APIError) {
    guard !isOver else { return }
    backend.write { out in
      if answer != nil {
        answer?.fail(error, to: &out)
      } else {
        out.error(error, of: id, ctx: ctx.slice)
        out.end(id)
      }
    }
    settle()
  }

  /// The client is gone.
  func cancel() {
    guard !isOver else { return }
    backend.write { $0.record(.end, of: id) { $0.append(#"{"cancelled":true}"#) } }
    settle()
    child?.terminate()
  }

  /// Stops the process; nothing more is written.
  func stop() {
    isOver = true
    child?.terminate()
  }

  /// Waits for the end of a stopped process, until that time.
  func destroy(at time: UInt64) {
    child?.destroy(at: time)
    child = nil
    removeTranscript()
  }

  private func settle() {
    isOver = true
    reactor.cancel(deadline)
    reactor.cancel(idle)
    backend.settled(self)
  }
}
