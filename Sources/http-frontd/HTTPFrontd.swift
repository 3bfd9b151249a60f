// SPDX-License-Identifier: MIT
import ArgumentParser
import HTTPFront
import Logs
import NIOCore
import Program
import Records

@main
struct HTTPFrontd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "http-frontd",
    abstract: "Serve HTTP by a pipeline of filters.",
    version: version)

  @Option(help: ArgumentHelp("Listen at ADDRESS:PORT or unix:PATH; may be repeated.", valueName: "address"))
  var listen: [String] = []

  @Option(help: ArgumentHelp("Start these stages, words and '|', and keep them running.", valueName: "stages"))
  var pipeline: String?

  @Option(help: ArgumentHelp("Write the bound port and a line feed to this descriptor when ready.", valueName: "fd"))
  var notifyFd: Int32?

  @Option(help: ArgumentHelp("The largest request body.", valueName: "bytes"))
  var maxBody = FrontLimits.maxBody

  @Option(help: ArgumentHelp("How many requests may be answered at once.", valueName: "n"))
  var maxInFlight = FrontLimits.maxInFlight

  @Option(help: ArgumentHelp("How many bytes of bodies and answers may wait in all.", valueName: "bytes"))
  var maxBuffered = FrontLimits.maxBuffered

  @Option(help: ArgumentHelp("How many pipelines run beside each other.", valueName: "n"))
  var pipelines = 1

  @Option(help: ArgumentHelp("The time for a whole answer.", valueName: "seconds"))
  var requestTimeout = FrontLimits.requestTimeout

  @Option(help: ArgumentHelp("The time that answers under way have after SIGTERM.", valueName: "seconds"))
  var grace = FrontLimits.grace

  @Option(help: ArgumentHelp("The API at /v1/chat/completions: openai, anthropic or auto.", valueName: "dialect"))
  var chatCompletionsDialect = Dialect.auto

  @Option(help: ArgumentHelp("Refuse addresses that other machines reach, giving this reason.", valueName: "reason"))
  var loopbackOnly: String?

  @Option(
    help: ArgumentHelp("Exit when a passed socket had no client for so long; 0 is never.", valueName: "seconds"))
  var exitAfterIdle: Int64?

  @Option(help: ArgumentHelp("Keep the counters in this file, which processes may share.", valueName: "file"))
  var counters: String?

  @OptionGroup var guarding: GuardOptions

  @Option(help: "Log what is at least this grave: debug, info, warning or error.")
  var logLevel: Output.Note.Level = .info

  func run() throws {
    let log = Log(program: "http-frontd", level: logLevel)
    StandardIO.secureDescriptors()
    do throws(Failure) {
      try Server.run(settings(), log: log)
    } catch {
      throw error.exit(log)
    }
  }

  private func settings() throws(Failure) -> FrontSettings {
    let largest = Limits.maxLine - FrontLimits.maxRecordHead
    guard (1...largest).contains(maxBody) else { throw Failure(.usage, "--max-body is to be 1 to \(largest) bytes") }
    guard maxInFlight > 0, requestTimeout > 0, grace >= 0 else {
      throw Failure(.usage, "--max-in-flight and --request-timeout are to be above 0, --grace 0 or more")
    }
    guard (0...31_536_000).contains(exitAfterIdle ?? 0) else {
      throw Failure(.usage, "--exit-after-idle is to be 0 to 31536000 seconds")
    }
    guard maxBuffered >= maxBody else {
      throw Failure(.usage, "--max-buffered is to be at least --max-body, \(maxBody) bytes")
    }
    guard (1...FrontLimits.maxPipelines).contains(pipelines) else {
      throw Failure(.usage, "--pipelines is to be 1 to \(FrontLimits.maxPipelines)")
    }
    var settings = FrontSettings()
    for address in listen { settings.listen.append(try ListenAddress(address)) }
    if let pipeline { settings.pipeline = try PipelineText.stages(of: pipeline) }
    settings.notifyDescriptor = notifyFd
    settings.maxBody = maxBody
    settings.maxInFlight = maxInFlight
    settings.maxBuffered = maxBuffered
    settings.pipelines = pipelines
    settings.requestTimeout = .seconds(requestTimeout)
    settings.grace = .seconds(grace)
    settings.counters = counters
    settings.loopbackOnly = loopbackOnly
    settings.stay = exitAfterIdle.map { .seconds($0) }
    settings.chatCompletionsDialect = chatCompletionsDialect
    settings.version = version
    try guarding.apply(to: &settings)
    return settings
  }

  static func main() { start() }
}
