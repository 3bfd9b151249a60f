// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Logs
import Models
import Reactor
import Records
import Testing

@testable import ClaudeCLI

/// When processes end and start that nobody asks for, with the limits of hours cut to seconds. The CLI is the scripted
/// stand-in.
@Suite("pool", .serialized)
struct PoolTests {
  @Test("a process ends after its share of requests")
  func uses() throws {
    let pool = try PoolOnReactor { $0.maxUses = 2 }
    for _ in 0..<5 { pool.ask() }
    pool.run()
    let pids = pool.answered.map(\.pid)
    #expect(pids.count == 5 && pids[0] == pids[1] && pids[2] == pids[3] && Set(pids).count == 3)
    #expect(pool.answered.map(\.number) == [1, 2, 1, 2, 1])
  }

  @Test("a process that has grown old ends behind its next answer")
  func age() throws {
    let pool = try PoolOnReactor { $0.maxAge = 2 }
    pool.ask()
    pool.ask()
    pool.pause(2_200)
    pool.ask()
    pool.ask()
    pool.run()
    let pids = pool.answered.map(\.pid)
    #expect(pids.count == 4 && pids[0] == pids[1] && pids[1] == pids[2] && pids[2] != pids[3])
  }

  @Test("those beyond the ones that are kept end when they have waited")
  func idle() throws {
    let pool = try PoolOnReactor {
      $0.warmProcesses = 1
      $0.idleProcessTime = 2
    }
    pool.ask(count: 3)
    pool.wait("all three wait, or more") { pool.free.count >= 3 }
    var before: Set<pid_t> = []
    pool.then { before = Set(pool.free) }
    pool.pause(500)
    pool.then { #expect(Set(pool.free).isSuperset(of: before)) }
    pool.wait("one is kept") { pool.pids.count == 1 }
    var kept: [pid_t] = []
    pool.then { kept = pool.pids }
    // Twice the time goes by.
    pool.pause(4_200)
    pool.then { #expect(pool.pids == kept && before.isSuperset(of: kept)) }
    pool.run()
  }

  @Test("without any that are kept, all end when they have waited")
  func idleAll() throws {
    let pool = try PoolOnReactor { $0.idleProcessTime = 1 }
    pool.ask()
    pool.pause(500)
    pool.then { #expect(pool.pids.count == 1) }
    pool.wait("it has ended") { pool.pids.isEmpty }
    pool.pause(300)
    pool.then { #expect(pool.pids.isEmpty) }
    pool.run()
  }

  @Test("one that is kept is replaced when it has grown old")
  func replaced() throws {
    let pool = try PoolOnReactor {
      $0.warmProcesses = 1
      $0.idleProcessTime = 1
      $0.maxAge = 4
    }
    pool.wait("one is started ahead") { pool.parked.count == 1 }
    var first: [pid_t] = []
    pool.then { first = pool.free }
    pool.pause(1_300)
    // It has waited, and is not old.
    pool.then { #expect(pool.free == first) }
    pool.wait("another has its place") { pool.free.count == 1 && pool.free != first }
    pool.run()
  }

  @Test("behind a start that failed there is a pause")
  func failedStart() throws {
    let pool = try PoolOnReactor(isBroken: true) {
      $0.warmProcesses = 1
      $0.pauses = (refill: 10, failed: 900)
    }
    var ended: UInt64 = 0
    pool.wait("it is started") { pool.pids.count == 1 }
    pool.wait("it has ended") { pool.pids.isEmpty }
    pool.then { ended = Reactor.now }
    pool.wait("it is started again") { pool.pids.count == 1 }
    pool.then { #expect((800...5_000).contains((Reactor.now - ended) / 1_000_000)) }
    pool.run()
  }

  @Test("one that dies while it waits is replaced at once")
  func died() throws {
    let pool = try PoolOnReactor {
      $0.warmProcesses = 1
      $0.pauses = (refill: 10, failed: 60_000)
    }
    pool.wait("one is started ahead") { pool.parked.count == 1 }
    // What its start has left to do is done.
    pool.pause(100)
    var first: pid_t = 0
    pool.then {
      first = pool.parked[0]
      kill(first, SIGKILL)
    }
    pool.wait("another has its place") { pool.parked.count == 1 && pool.parked[0] != first }
    pool.run()
  }

  @Test("the end takes all: those that work, wait and start")
  func stop() throws {
    let pool = try PoolOnReactor {
      $0.warmProcesses = 1
      $0.maxProcesses = 4
    }
    pool.ask()
    pool.send("[[slow:1]]")
    pool.wait("one works, one waits or starts") { pool.pids.count >= 2 && pool.answered.count == 1 }
    var all: [pid_t] = []
    pool.then { all = pool.pids }
    pool.run()
    #expect(all.count >= 2 && all.allSatisfy { kill($0, 0) != 0 && errno == ESRCH })
    #expect(pool.pids.isEmpty)
  }
}

/// A backend on a reactor of its own, and the steps that a test takes with it.
final class PoolOnReactor {
  private let reactor = Reactor()
  private let port = Port()
  private let backend: ClaudeBackend
  private let home: String
  private var steps: [(what: String, isDone: () -> Bool)] = []
  private var asked = 0
  /// The process of each answer, and the number of the request in it.
  private(set) var answered: [(pid: pid_t, number: Int)] = []

  /// - Parameter isBroken: the CLI ends when it is started.
  init(isBroken: Bool = false, _ change: (inout ExecLimits) -> Void) throws {
    var name = Array("/tmp/claude-pool-XXXXXX".utf8CString)
    home = try #require(mkdtemp(&name).map { String(cString: $0) })
    if isBroken { close(open("\(home)/fake-broken", O_CREAT | O_WRONLY, 0o600)) }
    var settings = ClaudeBackend.Settings(runDirectory: "\(home)/run")
    settings.cli = String(#filePath.dropLast("ClaudeCLITests/PoolTests.swift".count)) + "StandIns/fake-claude"
    settings.auth = .key
    // None is started ahead unless told.
    settings.limits.warmProcesses = 0
    change(&settings.limits)
    backend = try ClaudeBackend(
      settings, models: ModelTable.builtIn(foreignNames: true),
      environment: ["PATH": ChildEnvironment.ours["PATH"] ?? "/usr/bin:/bin", "HOME": home, "ANTHROPIC_API_KEY": "k"],
      port: port, reactor: reactor, log: Log(program: "test", level: .error))
  }

  var pids: [pid_t] { backend.pool.workers.compactMap(\.pid) }
  /// Those that work on nothing.
  var free: [pid_t] { backend.pool.workers.filter(\.isFree).compactMap(\.pid) }
  var parked: [pid_t] { backend.pool.workers.filter { $0.isFree && $0.isParked }.compactMap(\.pid) }

  // MARK: Steps

  /// Goes on when that is so.
  func wait(_ what: String, _ isDone: @escaping () -> Bool) { steps.append((what, isDone)) }

  func then(_ action: @escaping () -> Void) {
    wait("an action") {
      action()
      return true
    }
  }

  func pause(_ milliseconds: UInt64) {
    var end: UInt64?
    wait("a pause") { [unowned self] in
      if end == nil {
        end = Reactor.now + milliseconds * 1_000_000
        reactor.after(milliseconds: Int(milliseconds)) {}
      }
      return Reactor.now >= end!
    }
  }

  /// Asks, and waits for the answers.
  func ask(count: Int = 1) {
    for _ in 0..<count { send("[[who]]") }
    asked += count
    let expected = asked
    wait("\(expected) answers") { [unowned self] in answered.count == expected }
  }

  func send(_ text: String) {
    then { [unowned self] in
      var line =
        #"{"rid":"\#(UniqueID.make())","ctx":{"op":"messages"},"request":{"model":"m","max_tokens":9,"#
        + #""messages":[{"role":"user","content":"\#(text)"}]}}"#
      line.withUTF8 { bytes in
        do throws(APIError) { try backend.take(Line(scanning: bytes)!) } catch { Issue.record("\(error)") }
      }
    }
  }

  /// Takes the steps, then stops the backend, which must leave nothing.
  func run() {
    let limit = Reactor.now + 20_000_000_000
    func look() {
      takeAnswers()
      while let step = steps.first, step.isDone() { steps.removeFirst() }
      if !steps.isEmpty, Reactor.now > limit { Issue.record("waited in vain: \(steps[0].what)") }
      if steps.isEmpty || Reactor.now > limit { return reactor.stop() }
      reactor.after(milliseconds: 5, look)
    }
    look()
    reactor.run()
    backend.stop()
    for file in ["fake-broken", "run/claude-exec.lock"] { unlink("\(home)/\(file)") }
    for folder in ["run/empty", "run", ""] { #expect(rmdir("\(home)/\(folder)") == 0, "\(folder) isn't empty") }
  }

  private func takeAnswers() {
    for line in port.output.bytes.text.split(separator: "\n") {
      guard let response = try? JSON.parse(String(line))["response"] else { continue }
      let words = (response["content"]?[0]["text"]?.string ?? "").split(separator: ":").compactMap { Int($0) }
      if words.count == 2 { answered.append((pid_t(words[0]), words[1])) }
    }
    port.output.bytes.removeAll()
  }
}
