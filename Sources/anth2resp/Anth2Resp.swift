// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

/// What the executable file calls.
@c(anth2resp_main)
public func anth2respMain() { Anth2Resp.start() }

/// The program as a stage of claude-pipe.
package var anth2respStage: StageProgram { StageProgram(Anth2Resp.self) }

struct Anth2Resp: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "anth2resp",
    abstract: "Translate Anthropic answers to OpenAI's Responses API.",
    discussion: "Reads records or bare events, messages and errors on stdin, writes them on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions

  @Option(help: ArgumentHelp("The time of answers that bring none, in seconds since the epoch.", valueName: "seconds"))
  var created = 0

  var bareDialect: Dialect? { .responses }
  var maxNodes: Int { nodes.maxNodes }

  func filter() -> MessagesToResponses { MessagesToResponses(defaults: .init(created: created)) }
}
