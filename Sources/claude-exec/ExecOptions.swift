// SPDX-License-Identifier: MIT
import ArgumentParser
import ClaudeCLI
import Glibc
import Program
import Records

/// The program's own options; each has a variable of the environment for its default.
struct ExecOptions: ParsableArguments {
  /// `auto`, or one of the ways to pay.
  enum Payer: String, CaseIterable, ExpressibleByArgument { case auto, login, key }

  /// `auto`, or one of the carriers.
  enum Way: String, CaseIterable, ExpressibleByArgument {
    case auto
    case native = "N"
    case verbatim = "V"
    case replay = "S"
  }

  @Option(help: ArgumentHelp("The CLI to run, before all other places (CLAUDE_CLI_PATH).", valueName: "path"))
  var cli: String?

  @Option(help: ArgumentHelp("The CLI to run where none is found elsewhere.", valueName: "path"))
  var fallbackCli: String?

  @Option(help: ArgumentHelp("Who pays: auto, login or key (CLAUDE_AUTH; auto).", valueName: "mode"))
  var auth: Payer?

  @Option(help: ArgumentHelp("How requests are carried: auto, N, S or V (CLAUDE_CARRIER; auto).", valueName: "carrier"))
  var carrier: Way?

  @Option(help: ArgumentHelp("Where private files go (RUN_DIR).", valueName: "directory"))
  var runDir: String?

  @Option(help: ArgumentHelp("CLI processes at once (CLAUDE_MAX_PROCESSES; 16).", valueName: "count"))
  var maxProcesses: Int?

  @Option(help: ArgumentHelp("CLI processes started ahead (CLAUDE_WARM_PROCESSES; 2).", valueName: "count"))
  var warmProcesses: Int?

  @Option(
    help: ArgumentHelp("Bytes of all requests that wait for a process (MAX_BUFFERED; 268435456).", valueName: "bytes"))
  var maxBuffered: Int?

  @Option(help: ArgumentHelp("How long a request waits for a process (QUEUE_TIMEOUT; 30).", valueName: "seconds"))
  var queueTimeout: Int?

  @Option(help: ArgumentHelp("How long the CLI may be silent (IDLE_TIMEOUT; 120).", valueName: "seconds"))
  var idleTimeout: Int?

  @Option(help: ArgumentHelp("How long a whole answer may take (REQUEST_TIMEOUT; 600).", valueName: "seconds"))
  var requestTimeout: Int?

  @OptionGroup var chain: DeclineOptions

  @Flag(help: "Refuse requests that the CLI can't carry exactly (STRICT=1).")
  var strict = false

  /// - Throws: of kind ``Failure/Kind/configuration`` where a variable has no meaning, of kind
  ///   ``Failure/Kind/usage`` where an option has none.
  func settings(_ environment: [String: String]) throws(Failure) -> ClaudeBackend.Settings {
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    func set(
      _ limit: inout Int, _ option: Int?, _ name: String, _ unit: NumberSetting.Unit,
      in range: ClosedRange<Int> = 1...1_000_000
    ) throws(Failure) {
      limit = try NumberSetting.read(option, name, variable(name), unit, in: range) ?? limit
    }
    let payer = auth?.rawValue ?? variable("CLAUDE_AUTH") ?? Payer.auto.rawValue
    guard let payer = Payer(rawValue: payer) else {
      throw Failure(.configuration, "CLAUDE_AUTH is \(payer); expected auto, login or key")
    }
    let way = carrier?.rawValue ?? variable("CLAUDE_CARRIER") ?? Way.auto.rawValue
    guard let way = Way(rawValue: way) else {
      throw Failure(.configuration, "CLAUDE_CARRIER is \(way); expected auto, N, S or V")
    }
    guard way != .verbatim || payer == .key else {
      throw Failure(.usage, "carrier V is for a key alone; it needs --auth key (CLAUDE_AUTH), which is \(payer)")
    }
    let directory =
      runDir ?? variable("RUN_DIR") ?? variable("XDG_RUNTIME_DIR").map { "\($0)/claude-proxy" }
      ?? "/tmp/claude-proxy-\(geteuid())"
    guard directory.hasPrefix("/") else {
      throw Failure(.configuration, "RUN_DIR is \(directory); expected an absolute path")
    }
    var settings = ClaudeBackend.Settings(runDirectory: directory)
    settings.cli = cli ?? variable("CLAUDE_CLI_PATH")
    settings.fallbackCLI = fallbackCli
    settings.auth = Auth(rawValue: payer.rawValue)
    settings.carrier = Carrier(rawValue: way.rawValue)
    try set(&settings.limits.maxProcesses, maxProcesses, "CLAUDE_MAX_PROCESSES", .processes)
    try set(&settings.limits.warmProcesses, warmProcesses, "CLAUDE_WARM_PROCESSES", .processes, in: 0...1_000_000)
    try set(&settings.limits.maxBuffered, maxBuffered, "MAX_BUFFERED", .bytes, in: 1...1 << 40)
    try set(&settings.limits.queueTimeout, queueTimeout, "QUEUE_TIMEOUT", .seconds)
    try set(&settings.limits.idleTimeout, idleTimeout, "IDLE_TIMEOUT", .seconds)
    try set(&settings.limits.requestTimeout, requestTimeout, "REQUEST_TIMEOUT", .seconds)
    settings.declining = chain.decline
    settings.isStrict = strict || variable("STRICT") == "1"
    return settings
  }
}
