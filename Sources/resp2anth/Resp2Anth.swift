// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

/// What the executable file calls.
@c(resp2anth_main)
public func resp2anthMain() { Resp2Anth.start() }

/// The program as a stage of claude-pipe.
package var resp2anthStage: StageProgram { StageProgram(Resp2Anth.self) }

struct Resp2Anth: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "resp2anth",
    abstract: "Translate requests of OpenAI's Responses API to Anthropic message requests.",
    discussion: "Reads records or bare requests on stdin, writes them on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions
  @OptionGroup var options: TranslationOptions

  var bareDialect: Dialect? { .responses }
  var maxNodes: Int { nodes.maxNodes }

  func filter() throws(Failure) -> ResponsesRequestToMessages {
    ResponsesRequestToMessages(
      models: try options.models.givenTable(), maxTokens: options.maxTokens, isStrict: options.strict,
      cachesPrompts: options.promptCache == .auto)
  }
}
