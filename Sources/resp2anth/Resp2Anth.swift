// SPDX-License-Identifier: MIT
import ArgumentParser
import Models
import Program
import Records
import Translation

/// Whether the backend may set a cache mark where the client set none.
enum PromptCache: String, ExpressibleByArgument {
  case auto, off
}

@main
struct Resp2Anth: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "resp2anth",
    abstract: "Translate requests of OpenAI's Responses API to Anthropic message requests.",
    discussion: "Reads records or bare requests on stdin, writes them on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions
  @OptionGroup var modelOptions: ModelOptions

  @Option(help: ArgumentHelp("The limit sent where a request names none, in tokens.", valueName: "tokens"))
  var maxTokens = TranslationLimits.defaultMaxTokens

  @Flag(help: "Refuse with status 400 what can't be translated exactly.")
  var strict = false

  @Option(help: ArgumentHelp("Cache prompts that have no cache marks: auto or off.", valueName: "when"))
  var promptCache = PromptCache.auto

  var bareDialect: Dialect? { .responses }

  func filter() throws(Failure) -> ResponsesRequestToMessages {
    ResponsesRequestToMessages(
      models: try modelOptions.table(), maxTokens: maxTokens, isStrict: strict,
      cachesPrompts: promptCache == .auto)
  }

  static func main() { start() }
}
