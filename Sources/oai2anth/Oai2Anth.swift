// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

/// What the executable file calls.
@c(oai2anth_main)
public func oai2anthMain() { Oai2Anth.start() }

/// The program as a stage of claude-pipe.
package var oai2anthStage: StageProgram { StageProgram(Oai2Anth.self) }

struct Oai2Anth: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "oai2anth",
    abstract: "Translate OpenAI chat requests to Anthropic message requests.",
    discussion: "Reads records or bare requests on stdin, writes them on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions
  @OptionGroup var options: TranslationOptions

  var bareDialect: Dialect? { .openai }
  var maxNodes: Int { nodes.maxNodes }

  func filter() throws(Failure) -> ChatRequestToMessages {
    ChatRequestToMessages(
      models: try options.models.givenTable(), maxTokens: options.maxTokens, isStrict: options.strict,
      cachesPrompts: options.promptCache == .auto)
  }
}
