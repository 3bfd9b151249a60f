// SPDX-License-Identifier: MIT
import ArgumentParser
import ClaudeCLI
import Logs
import Models
import Program
import Reactor
import Records

@main
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
    let log = Log(program: "claude-exec", level: common.logLevel)
    do throws(Failure) {
      let environment = ChildEnvironment.ours
      let reactor = Reactor()
      let port = Port()
      let backend = try ClaudeBackend(
        options.settings(environment), models: modelOptions.table(), environment: environment, port: port,
        reactor: reactor, log: log)
      try BackendRunner(
        backend, port: port, reactor: reactor, log: log,
        defaultContext: common.defaultContext(dialect: .anthropic), isStrict: common.strictInput
      ).serve()
    } catch {
      throw error.exit(log)
    }
  }

  static func main() { start() }
}
