// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import Translation

@main
struct Resp2Anth: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "resp2anth",
    abstract: "Translate OpenAI responses requests to Anthropic message requests.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var nodes: NodeOptions

  var bareDialect: Dialect? { .responses }

  func filter() -> ResponsesRequestToMessages { ResponsesRequestToMessages() }

  static func main() { start() }
}
