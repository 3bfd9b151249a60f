// SPDX-License-Identifier: MIT
import ArgumentParser
import Models

/// The options of every program that translates requests to Anthropic's form.
package struct TranslationOptions: ParsableArguments {
  /// Whether the backend may set a cache mark where the client set none.
  package enum PromptCache: String, ExpressibleByArgument {
    case auto, off
  }

  @OptionGroup package var models: ModelOptions

  @Option(help: ArgumentHelp("The limit sent where a request names none, in tokens.", valueName: "tokens"))
  package var maxTokens = ModelTable.defaultMaxTokens

  @Flag(help: "Refuse with status 400 what can't be translated exactly.")
  package var strict = false

  @Option(help: ArgumentHelp("Cache prompts that have no cache marks: auto or off.", valueName: "when"))
  package var promptCache = PromptCache.auto

  package init() {}
}
