// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

/// What the executable file calls.
@c(anth2oai_main)
public func anth2oaiMain() { Anth2Oai.start() }

/// The program as a stage of claude-pipe.
package var anth2oaiStage: StageProgram { StageProgram(Anth2Oai.self) }

struct Anth2Oai: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "anth2oai",
    abstract: "Translate Anthropic answers to OpenAI chat answers.",
    discussion: "Reads records or bare events, messages and errors on stdin, writes them on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions

  @Option(help: ArgumentHelp("The time of answers that bring none, in seconds since the epoch.", valueName: "seconds"))
  var created = 0

  @Flag(help: "End streams that bring no context with a chunk of the usage.")
  var includeUsage = false

  var bareDialect: Dialect? { .openai }
  var maxNodes: Int { nodes.maxNodes }

  func filter() -> MessagesToChat {
    MessagesToChat(defaults: .init(created: created, includeUsage: includeUsage))
  }
}
