// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Logs
import Reactor
import Records

/// The CLI of this machine: where it is, which version, who pays. Found and probed without blocking.
final class Installation {
  /// A CLI that can be started.
  struct CLI {
    var path: String
    var version: CLIVersion
    var auth: Auth
    /// Whether there is a login, or a key, to pay with.
    var isAuthenticated: Bool
  }

  enum State {
    case probing
    case ready(CLI)
    /// Requests are answered with this.
    case unusable(APIError, version: CLIVersion?)
  }

  /// How long a probe may take, in milliseconds; 200 are usual.
  private static let probeTime = 15_000
  /// How old an answer may be that would turn a request down, and how old one that health repeats, in milliseconds.
  private static let ages = (bad: 1_000, good: 300_000)

  private(set) var state = State.probing
  private let finder: Finder
  private let wish: Auth?
  private let environment: [String: String]
  private let client: String
  private let directory: String
  private let reactor: Reactor
  private let log: Log
  private var probedAt: UInt64 = 0
  private var probes: [Child] = []
  private var isProbing = false
  /// When the login, or the key, was last refused.
  private var doubtedAt: UInt64?
  /// Starts that failed in a row, and how the last one ended.
  private var failures = 0
  private var lastEnd = ""
  /// The places looked at in vain, or the path found, as the log says them.
  private(set) var loggedSearch = ""
  /// Called when ``state`` has changed.
  var changed: () -> Void = {}

  /// - Parameter wish: the mode that the operator fixed; nil for the login if there is one, else the key.
  init(
    _ finder: Finder, wish: Auth?, environment: [String: String], client: String, directory: String,
    reactor: Reactor, log: Log
  ) {
    self.finder = finder
    self.wish = wish
    self.environment = environment
    self.client = client
    self.directory = directory
    self.reactor = reactor
    self.log = log
  }

  var hasKey: Bool { Contract.credentials(.key).contains { environment[$0]?.isEmpty == false } }

  /// Looks again where what is known would turn a request down, and may have changed since.
  func refresh() {
    guard !isProbing else { return }
    switch state {
    case .probing: probe()
    case .unusable: if age > Self.ages.bad { probe() }
    case .ready(let cli):
      if !finder.isProgram(cli.path) || (!cli.isAuthenticated && age > Self.ages.bad) { probe() }
    }
  }

  /// Looks again, in the background, where what is known has grown old.
  func refreshForHealth() {
    refresh()
    if !isProbing, age > Self.ages.good { probe(quietly: true) }
  }

  /// What is known of the login, or the key, has proved wrong. Whatever the CLI says of it, it isn't believed for a
  /// while: it takes a login for good that can't be renewed any more.
  func doubt() {
    doubtedAt = Reactor.now
    setAuthenticated(false)
  }

  /// A request was served.
  func trust() {
    guard doubtedAt != nil else { return }
    doubtedAt = nil
    setAuthenticated(true)
  }

  private func setAuthenticated(_ isAuthenticated: Bool) {
    guard case .ready(var cli) = state else { return }
    cli.isAuthenticated = isAuthenticated
    state = .ready(cli)
  }

  private var isDoubted: Bool {
    doubtedAt.map { Reactor.now - $0 < UInt64(Self.ages.good) * 1_000_000 } ?? false
  }

  // MARK: Its starts

  /// So many starts in a row must fail before health says so.
  private static let failedStarts = 3

  /// Why the CLI doesn't start, though it tells its version.
  var startFailure: String? { failures >= Self.failedStarts ? lastEnd : nil }

  /// A process has ended before its start was over.
  func startFailed(_ end: String) {
    (failures, lastEnd) = (failures + 1, end)
    guard failures == Self.failedStarts else { return }
    log.write(.error, "the Claude CLI ends as soon as it starts (\(end))")
    if !isProbing { probe(quietly: true) }
  }

  /// A process has started.
  func started() { failures = 0 }

  /// How old is what is known, in milliseconds.
  var age: Int { Int((Reactor.now - probedAt) / 1_000_000) }

  func stop() {
    for probe in probes { probe.destroy(at: 0) }
    probes = []
  }

  // MARK: Probing

  private func probe(quietly: Bool = false) {
    let (path, searched) = finder.find()
    guard let path else {
      let places = searched.joined(separator: ", ")
      if places != loggedSearch { log.write(.error, "Claude CLI not found", ["searched": places]) }
      loggedSearch = places
      return settle(.unusable(CLIError.notFound, version: nil))
    }
    if let named = finder.named, !searched.isEmpty, loggedSearch != path {
      log.write(.warning, "the CLI that was named is not an executable file", ["named": named, "taken": path])
    }
    loggedSearch = path
    isProbing = true
    if !quietly { state = .probing }
    var version: String?
    var login: Bool?
    let wantsLogin = wish != .key
    func settleIfDone() {
      guard let version, !wantsLogin || login != nil else { return }
      settle(path, version: version, hasLogin: login ?? false)
    }
    ask(path, Contract.versionFlags) { text in
      version = text
      settleIfDone()
    }
    if wantsLogin {
      ask(path, Contract.authFlags) { text in
        login = (try? JSON.parse(text))?["loggedIn"]?.bool ?? false
        settleIfDone()
      }
    }
  }

  /// Runs the CLI for one short answer, without any key in its environment.
  ///
  /// One that was killed by someone else has said nothing, and is run once more.
  private func ask(_ path: String, _ flags: [String], isAgain: Bool = false, _ answer: @escaping (String) -> Void) {
    var text = ""
    var isLate = false
    var child: Child?
    var timer: Reactor.Timer?
    let program = Child.Program(
      path: path, arguments: flags,
      environment: ChildEnvironment.make(from: environment, auth: .login, client: client), directory: directory,
      // It may renew the login to know it.
      lock: flags == Contract.authFlags ? LoginLock(environment) : nil)
    let handlers = Child.Handlers(
      line: { if text.utf8.count < 65_536 { text += $0.text + "\n" } }, tooLong: {}, errorLine: { _ in },
      ended: { [unowned self] end in
        reactor.cancel(timer)
        probes.removeAll { $0 === child }
        child = nil
        if case .signal = end, !isLate, !isAgain { return ask(path, flags, isAgain: true, answer) }
        answer(text)
      })
    do throws(Failure) {
      let started = try Child(program, reactor: reactor, handlers: handlers)
      child = started
      probes.append(started)
      started.closeInput()
      timer = reactor.after(milliseconds: Self.probeTime) {
        isLate = true
        started.kill()
      }
    } catch {
      log.write(.error, error.message)
      answer("")
    }
  }

  private func settle(_ path: String, version text: String, hasLogin: Bool) {
    guard let version = CLIVersion(reading: text) else {
      log.write(.error, "the Claude CLI doesn't tell its version", ["path": path])
      return settle(
        .unusable(APIError(status: 503, type: "api_error", "the Claude CLI doesn't start"), version: nil))
    }
    guard version >= Contract.oldestVersion else {
      log.write(.error, "the Claude CLI is too old", ["path": path, "version": version.description])
      return settle(.unusable(CLIError.tooOld(version), version: version))
    }
    let auth = wish ?? (hasLogin ? .login : .key)
    let cli = CLI(
      path: path, version: version, auth: auth, isAuthenticated: !isDoubted && (auth == .login ? hasLogin : hasKey))
    log.write(
      .info, "Claude CLI found",
      [
        "path": path, "version": version.description, "auth": auth.rawValue,
        "authenticated": cli.isAuthenticated ? "yes" : "no",
      ])
    settle(.ready(cli))
  }

  private func settle(_ state: State) {
    probedAt = Reactor.now
    isProbing = false
    self.state = state
    changed()
  }
}
