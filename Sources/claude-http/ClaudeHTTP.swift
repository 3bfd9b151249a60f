// SPDX-License-Identifier: MIT
import ArgumentParser
import Logs
import MessagesAPI
import Program
import Reactor
import Records

/// What the executable file calls.
@c(claude_http_main)
public func claudeHttpMain() { ClaudeHTTP.start() }

/// The program as a stage of claude-pipe.
package var claudeHTTPStage: StageProgram { StageProgram(ClaudeHTTP.self) }

struct ClaudeHTTP: BackendCommand {
  static let configuration = CommandConfiguration(
    commandName: "claude-http",
    abstract: "Answer Messages requests by asking a Messages API over HTTP.",
    discussion: """
      Reads records or bare requests on stdin, writes answers on stdout. The key is ANTHROPIC_API_KEY, or \
      ANTHROPIC_AUTH_TOKEN, of the environment, or in the file that either with _FILE names.
      """,
    version: version)

  @OptionGroup var options: HTTPOptions
  @OptionGroup var common: CommonOptions

  var dialect: Dialect? { .anthropic }

  func backend(port: Port, reactor: Reactor, log: Log) throws(Failure) -> any Backend {
    try HTTPBackend(options.settings(), port: port, reactor: reactor, log: log)
  }
}
