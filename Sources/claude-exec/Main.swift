// SPDX-License-Identifier: MIT
import ArgumentParser
import ClaudeCLI
import Logs
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
  @OptionGroup var common: CommonOptions

  mutating func run() throws {
    let log = Log(program: "claude-exec", level: common.logLevel)
    do throws(Failure) {
      let environment = ChildEnvironment.ours
      let reactor = Reactor()
      let port = Port()
      let backend = try ClaudeBackend(
        options.settings(environment), environment: environment, reactor: reactor, log: log,
        port: { $0(&port.output) })
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

extension ClaudeBackend: Backend {}
