// SPDX-License-Identifier: MIT
import ArgumentParser
import Models
import Program
import Records

/// What the executable file calls.
@c(model_map_main)
public func modelMapMain() { ModelMapCommand.start() }

/// The program as a stage of claude-pipe.
package var modelMapStage: StageProgram { StageProgram(ModelMapCommand.self) }

struct ModelMapCommand: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "model-map",
    abstract: "Put the effective name of the model into each request.",
    discussion: "Reads records or bare requests on stdin, writes them on stdout with a current model named.",
    version: version)

  @OptionGroup var common: CommonOptions
  @OptionGroup var modelOptions: ModelOptions

  @Option(help: ArgumentHelp("The model of requests that name none.", valueName: "name"))
  var defaultModel: String?

  func filter() throws(Failure) -> ModelMap {
    ModelMap(try modelOptions.table(), defaultModel: defaultModel)
  }
}
