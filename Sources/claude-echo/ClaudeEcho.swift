// SPDX-License-Identifier: MIT
import ArgumentParser
import Echo
import JSONText
import Logs
import Models
import Program
import Reactor
import Records

@main
struct ClaudeEcho: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claude-echo",
    abstract: "Answer message requests without a model: echo, or play a script.",
    discussion: "Reads records or bare requests on stdin, writes answers on stdout. For demos, tests and benchmarks.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var modelOptions: ModelOptions

  @Option(help: ArgumentHelp("Answer requests without marks by the marks in this file.", valueName: "file"))
  var script: String?

  func run() throws {
    let log = Log(program: "claude-echo", level: common.logLevel)
    do throws(Failure) {
      let port = Port()
      let reactor = Reactor()
      let backend = EchoBackend(
        port: port, reactor: reactor, models: try modelOptions.table(),
        script: try script.map { (path) throws(Failure) in try StandardIO.contents(of: path).text })
      try BackendRunner(
        backend, port: port, reactor: reactor, log: log,
        defaultContext: common.defaultContext(dialect: nil), isStrict: common.strictInput
      ).serve()
    } catch {
      throw error.exit(log)
    }
  }

  static func main() { start() }
}
