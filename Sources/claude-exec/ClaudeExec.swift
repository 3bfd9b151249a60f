// SPDX-License-Identifier: MIT
import ArgumentParser
import ClaudeCLI
import Logs
import Models
import Program
import Reactor
import Records

/// What the executable file calls.
@c(claude_exec_main)
public func claudeExecMain() { ClaudeExec.start() }

/// The program as a stage of claude-pipe.
package var claudeExecStage: StageProgram { StageProgram(ClaudeExec.self) }

struct ClaudeExec: BackendCommand {
  static let configuration = CommandConfiguration(
    commandName: "claude-exec",
    abstract: "Answer Messages requests by way of the Claude Code CLI.",
    version: version)

  @OptionGroup var options: ExecOptions
  @OptionGroup var modelOptions: ModelOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: BackendNodeOptions

  var dialect: Dialect? { .anthropic }
  var maxNodes: Int { nodes.maxNodes }

  func backend(port: Port, reactor: Reactor, log: Log) throws(Failure) -> any Backend {
    let environment = ChildEnvironment.ours
    return try ClaudeBackend(
      options.settings(environment), models: modelOptions.table(), environment: environment, port: port,
      reactor: reactor, log: log)
  }
}
