// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

/// What the executable file calls.
@c(oai2anth_main)
public func oai2anthMain() { Oai2Anth.start() }

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

  func filter() throws(Failure) -> ChatRequestToMessages {
    ChatRequestToMessages(
      models: try options.models.table(), maxTokens: options.maxTokens, isStrict: options.strict,
      cachesPrompts: options.promptCache == .auto)
  }
}
