// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

@main
struct Anth2Resp: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "anth2resp",
    abstract: "Translate Anthropic answers to OpenAI responses.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions

  var bareDialect: Dialect? { .responses }

  func filter() -> MessagesToResponses { MessagesToResponses() }

  static func main() { start() }
}
