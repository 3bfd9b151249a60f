// SPDX-License-Identifier: MIT
import ArgumentParser
import HTTPFront
import Logs
import NIOCore
import Program
import Records

/// What the executable file calls.
@c(http_frontd_main)
public func httpFrontdMain() { HTTPFrontd.start() }

struct HTTPFrontd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "http-frontd",
    abstract: "Serve HTTP by a pipeline of filters.",
    version: version)

  @Option(help: ArgumentHelp("Listen at ADDRESS:PORT or unix:PATH; may be repeated.", valueName: "address"))
  var listen: [String] = []

  @Option(help: ArgumentHelp("The permissions of a socket file, in octal.", valueName: "mode"))
  var socketMode = "0600"

  @Option(help: ArgumentHelp("Start these stages, words and '|', and keep them running.", valueName: "stages"))
  var pipeline: String?

  @Option(help: ArgumentHelp("Write the bound port and a line feed to this descriptor when ready.", valueName: "fd"))
  var notifyFd: Int32?

  @Option(help: ArgumentHelp("The largest request body.", valueName: "bytes"))
  var maxBody = FrontLimits.maxBody

  @Option(help: ArgumentHelp("How many JSON values a body may hold.", valueName: "n"))
  var maxNodes = FrontLimits.maxNodes

  @Option(help: ArgumentHelp("How many requests may be answered at once.", valueName: "n"))
  var maxInFlight = FrontLimits.maxInFlight

  @Option(help: ArgumentHelp("How many bytes of bodies and answers may wait in all.", valueName: "bytes"))
  var maxBuffered = FrontLimits.maxBuffered

  @Option(
    help: ArgumentHelp(
      "How many pipelines run beside each other; auto is one per processor, up to 8.", valueName: "n|auto"))
  var pipelines = PipelineCount.fixed(1)

  @Option(help: ArgumentHelp("The time for a whole answer.", valueName: "seconds"))
  var requestTimeout = FrontLimits.requestTimeout

  @Option(help: ArgumentHelp("The time that answers under way have after SIGTERM.", valueName: "seconds"))
  var grace = FrontLimits.grace

  @Option(help: ArgumentHelp("The API at /v1/chat/completions: openai, anthropic or auto.", valueName: "dialect"))
  var chatCompletionsDialect = Dialect.auto

  @Option(
    help: ArgumentHelp("Additional routes, METHOD PATH OPERATION DIALECT, separated by ';'.", valueName: "routes"))
  var routes = ""

  @Option(help: ArgumentHelp("Refuse addresses that other machines reach, giving this reason.", valueName: "reason"))
  var loopbackOnly: String?

  @Option(
    help: ArgumentHelp("Exit when a passed socket had no client for so long; 0 is never.", valueName: "seconds"))
  var exitAfterIdle: Int64?

  @Option(help: ArgumentHelp("Keep the counters in this file, which processes may share.", valueName: "file"))
  var counters: String?

  @Option(
    help: ArgumentHelp(
      "The folder of private files, which health checks, and makes if missing.", valueName: "directory")
  )
  var runDir: String?

  @OptionGroup var guarding: GuardOptions

  @Option(help: "Log what is at least this grave: debug, info, warning or error.")
  var logLevel: Output.Note.Level = .info

  @Option(
    help: ArgumentHelp("Have this program tell options and environment anew, on SIGHUP.", valueName: "words"))
  var reload: String?

  @Option(
    help: ArgumentHelp(
      "Give secrets of the environment to stages that run these programs.", valueName: "program=name,..."))
  var stageEnv: [String] = []

  @Flag(help: "Try the stages one by one with a health request, print what is wrong, and exit.")
  var checkStages = false

  @Flag(help: "Run the stages as a filter, without a server: each with the environment that a server gives it.")
  var runStages = false

  @Flag(help: "Check the options, the files and programs they name, and whether the addresses are free; then exit.")
  var check = false

  func run() throws {
    StandardIO.secureDescriptors()
    Memory.returnWhatIsLarge()
    let environment = Environment.takeOurs()
    var status: Int32 = 0
    do throws(Failure) {
      let settings = try settings(environment)
      if runStages {
        status = try StageRun.run(Self.stages(settings, for: "--run-stages"), environment: settings.environment)
      } else if checkStages {
        try tryStages(settings)
      } else if check {
        try Inspection.run(settings)
      } else {
        try Server.run(settings) { (words, environment) throws(Failure) in try Self.settings(words, environment) }
      }
    } catch {
      throw error.exit(log(environment))
    }
    if status != 0 { throw ExitCode(status) }
  }

  /// Prints one line: `healthy`, `unhealthy` and why, or `wrong` and which stage.
  private func tryStages(_ settings: FrontSettings) throws(Failure) {
    switch StageTrial(try Self.stages(settings, for: "--check-stages"), environment: settings.environment).run() {
    case .healthy: print("healthy")
    case .unhealthy(let reason): print("unhealthy \(reason)")
    case .wrong(let fault): print("wrong \(fault)")
    case .cancelled: break
    }
  }

  private static func stages(_ settings: FrontSettings, for option: String) throws(Failure) -> [[String]] {
    guard let stages = settings.pipeline else {
      throw Failure(.usage, "\(option): expected the stages, as --pipeline 'STAGE | STAGE'")
    }
    return stages
  }

  private func log(_ environment: Environment) -> Log {
    Log(program: "http-frontd", level: logLevel, format: .asked { environment.value(of: $0) ?? "" })
  }

  private static func settings(_ words: [String], _ environment: Environment) throws(Failure) -> FrontSettings {
    let command: HTTPFrontd
    do {
      command = try parse(words)
    } catch {
      throw Failure(.usage, message(for: error))
    }
    return try command.settings(environment)
  }

  private func settings(_ environment: Environment) throws(Failure) -> FrontSettings {
    let largest = Limits.maxLine - FrontLimits.maxRecordHead
    try NumberSetting.check("--max-body", maxBody, .bytes, in: 1...largest)
    try NumberSetting.check("--max-nodes", maxNodes, .values, in: 1...Int.max)
    try NumberSetting.check("--max-in-flight", maxInFlight, .requests, in: 1...Int.max)
    try NumberSetting.check("--request-timeout", requestTimeout, .seconds, in: 1...Int64.max)
    try NumberSetting.check("--grace", grace, .seconds, in: 0...Int64.max)
    try NumberSetting.check("--exit-after-idle", exitAfterIdle ?? 0, .seconds, in: 0...31_536_000)
    // A body that is let in must have room.
    try NumberSetting.check("--max-buffered", maxBuffered, .bytes, in: maxBody...Int.max)
    if case .fixed(let count) = pipelines {
      try NumberSetting.check("--pipelines", count, .pipelines, in: 1...FrontLimits.maxPipelines)
    }
    var environment = environment
    guard let secrets = Secrets(reading: stageEnv.joined(separator: " ")) else {
      throw Failure(
        .usage,
        "--stage-env \(stageEnv.joined(separator: " ")): expected PROGRAM=NAME, for example my-backend=OPENAI_API_KEY")
    }
    environment.secrets = secrets
    var settings = FrontSettings(environment: environment, log: log(environment))
    for address in listen { settings.listen.append(try ListenAddress(address)) }
    if let pipeline { settings.pipeline = try PipelineText.stages(of: pipeline) }
    if let reload {
      let programs = try PipelineText.stages(of: reload)
      guard programs.count == 1 else { throw Failure(.usage, "--reload is one program, not \(programs.count)") }
      settings.inquiry = programs[0]
    }
    guard let mode = UInt32(socketMode, radix: 8), (1...4).contains(socketMode.utf8.count), mode <= 0o777 else {
      throw Failure(.usage, "--socket-mode \(socketMode): expected permissions in octal, for example 0660")
    }
    settings.socketMode = mode
    settings.notifyDescriptor = notifyFd
    settings.maxBody = maxBody
    settings.maxNodes = maxNodes
    settings.maxInFlight = maxInFlight
    settings.maxBuffered = maxBuffered
    settings.pipelines = if case .fixed(let count) = pipelines { count } else { Processors.pipelines }
    settings.requestTimeout = .seconds(requestTimeout)
    settings.grace = .seconds(grace)
    settings.counters = counters
    settings.runDirectory = runDir
    settings.loopbackOnly = loopbackOnly
    settings.stay = exitAfterIdle.map { .seconds($0) }
    guard [Dialect.openai, .anthropic, .auto].contains(chatCompletionsDialect) else {
      throw Failure(
        .usage,
        "--chat-completions-dialect \(chatCompletionsDialect.rawValue): expected openai, anthropic or auto")
    }
    settings.chatCompletionsDialect = chatCompletionsDialect
    settings.routes = try RouteTable(adding: routes)
    settings.version = version
    try guarding.apply(to: &settings)
    return settings
  }
}

extension PipelineCount: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }

  public var defaultValueDescription: String { if case .fixed(let count) = self { "\(count)" } else { "auto" } }
}
