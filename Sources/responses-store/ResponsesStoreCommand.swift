// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import Program
import Records
import ResponsesStore

/// What the executable file calls.
@c(responses_store_main)
public func responsesStoreMain() { ResponsesStoreCommand.start() }

/// The program as stages of claude-pipe.
package var responsesStoreStage: StageProgram { StageProgram(subcommandsOf: ResponsesStoreCommand.self) }

struct ResponsesStoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "responses-store",
    abstract: "Keep responses of the Responses API, and put earlier ones into requests.",
    discussion: "Reads records on stdin, writes them on stdout; load stands before the backend, save after it.",
    version: version, subcommands: [LoadCommand.self, SaveCommand.self])
}

struct LoadCommand: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Put earlier responses into requests, and answer requests for kept responses.")
  static let logName = "responses-store"

  @OptionGroup var common: CommonOptions
  @OptionGroup var store: StoreOptions
  @OptionGroup var nodes: NodeOptions

  var bareDialect: Dialect? { .responses }
  var maxNodes: Int { nodes.maxNodes }

  func filter() throws(Failure) -> ResponseLoader { ResponseLoader(store.settings) }
}

struct SaveCommand: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "save", abstract: "Write each response into the file before the client sees its end.")
  static let logName = "responses-store"

  @OptionGroup var common: CommonOptions
  @OptionGroup var store: StoreOptions

  var bareDialect: Dialect? { .responses }
  var bareIsTranslated: Bool { true }

  func filter() throws(Failure) -> ResponseKeeper { ResponseKeeper(store.settings) }
}

/// The options about the file, which both commands have.
struct StoreOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Keep the responses in this file, which processes may share.", valueName: "path"))
  var file: String

  @Option(help: ArgumentHelp("How long a response stays after its last use.", valueName: "seconds"))
  var keep = 86_400

  @Option(help: ArgumentHelp("The largest size of the file.", valueName: "bytes"))
  var maxSize = 256 << 20

  /// A hundred years, and a size that no file reaches.
  private static let mostSeconds = 3_155_760_000
  private static let sizes = 1 << 16...1 << 46

  func validate() throws {
    guard !file.isEmpty else {
      throw ValidationError("--file is empty: expected the path of a file, for example responses.sqlite")
    }
    guard (1...Self.mostSeconds).contains(keep) else {
      throw ValidationError("--keep \(keep): expected a number of seconds from 1 to \(Self.mostSeconds)")
    }
    guard Self.sizes.contains(maxSize) else {
      throw ValidationError(
        "--max-size \(maxSize): expected a number of bytes from \(Self.sizes.lowerBound) to \(Self.sizes.upperBound)")
    }
  }

  var settings: ResponsesFile.Settings {
    // If the size of files is limited, a write must fail as on a full disk, and not end the process.
    signal(SIGXFSZ, SIG_IGN)
    var settings = ResponsesFile.Settings(path: file)
    settings.keep = keep
    settings.maxSize = maxSize
    return settings
  }
}
