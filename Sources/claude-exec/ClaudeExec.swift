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

struct ClaudeExec: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claude-exec",
    abstract: "Answer Messages requests by way of the Claude Code CLI.",
    version: version)

  @OptionGroup var options: ExecOptions
  @OptionGroup var modelOptions: ModelOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: BackendNodeOptions

  mutating func run() throws {
    let (options, models) = (options, modelOptions)
    try common.serve("claude-exec", dialect: .anthropic) { (port, reactor, log) throws(Failure) -> ClaudeBackend in
      let environment = ChildEnvironment.ours
      return try ClaudeBackend(
        options.settings(environment), models: models.table(), environment: environment, port: port, reactor: reactor,
        log: log)
    }
  }
}
