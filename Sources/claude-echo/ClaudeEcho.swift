// SPDX-License-Identifier: MIT
import ArgumentParser
import Echo
import JSONText
import Logs
import Models
import Program
import Reactor
import Records

/// What the executable file calls.
@c(claude_echo_main)
public func claudeEchoMain() { ClaudeEcho.start() }

/// The program as a stage of claude-pipe.
package var claudeEchoStage: StageProgram { StageProgram(ClaudeEcho.self) }

struct ClaudeEcho: BackendCommand {
  static let configuration = CommandConfiguration(
    commandName: "claude-echo",
    abstract: "Answer message requests without a model: echo, play a script, or replay a recording.",
    discussion: "Reads records or bare requests on stdin, writes answers on stdout. For demos, tests and benchmarks.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: BackendNodeOptions
  @OptionGroup var modelOptions: ModelOptions

  @Option(help: ArgumentHelp("Answer requests without marks by the marks in this file.", valueName: "file"))
  var script: String?

  @Option(help: ArgumentHelp("Answer as this file of scripts/record recorded it.", valueName: "file"))
  var replay: String?

  @Option(help: ArgumentHelp("Replay so many times as fast as recorded, not at once.", valueName: "times"))
  var replaySpeed: Double?

  func validate() throws {
    guard let replaySpeed else { return }
    guard replay != nil else { throw ValidationError("--replay-speed needs --replay") }
    guard replaySpeed > 0, replaySpeed.isFinite else { throw ValidationError("--replay-speed is a number above 0") }
  }

  var dialect: Dialect? { nil }
  var maxNodes: Int { nodes.maxNodes }

  func backend(port: Port, reactor: Reactor, log: Log) throws(Failure) -> any Backend {
    guard let replay else {
      return EchoBackend(
        port: port, reactor: reactor, models: try modelOptions.table(),
        script: try script.map { (path) throws(Failure) in try StandardIO.contents(of: path).text })
    }
    let recording = try Recording(try StandardIO.contents(of: replay), name: replay)
    for line in recording.badLines { log.write(.warning, "\(replay): line \(line) is no record and passed over") }
    return ReplayBackend(port: port, reactor: reactor, recording: recording, speed: replaySpeed)
  }
}
