// SPDX-License-Identifier: MIT
import ArgumentParser
import Records

/// A program that can be a stage, by its name: how its words are read.
package struct StageProgram {
  /// What the words after the program's name come to.
  private enum Reading {
    case command(any ParsableCommand)
    /// They ask for a text such as the help.
    case text
    case wrong(String)
  }

  package let name: String
  package let isBackend: Bool
  /// The first words that say which stage it is, where there are several.
  private let subcommands: [String]
  private let read: ([String]) -> Reading

  package init<Command: StageCommand>(_ command: Command.Type) {
    self.init(root: command, isBackend: Command.isBackend)
  }

  /// A program whose first word says which of its stages it is; none of them is a backend.
  package init<Command: ParsableCommand>(subcommandsOf command: Command.Type) {
    self.init(root: command, isBackend: false)
  }

  private init<Command: ParsableCommand>(root: Command.Type, isBackend: Bool) {
    name = Command._commandName
    self.isBackend = isBackend
    subcommands = Command.configuration.subcommands.map { $0._commandName }
    read = { words in
      do {
        return .command(try Command.parseAsRoot(words))
      } catch {
        return Command.exitCode(for: error).isSuccess ? .text : .wrong(Command.message(for: error))
      }
    }
  }

  /// Reads the words after the program's name, as its own command line has them.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package func command(_ words: [String]) throws(Failure) -> any StageCommand {
    switch read(words) {
    case .text: throw showsNoText(words)
    case .wrong(let reason):
      let end = reason.last == "?" || reason.last == "." ? "" : "."
      throw Failure(.usage, "\(reason)\(end) The options are shown by: \(name) --help")
    case .command(let command):
      if let stage = command as? any StageCommand { return stage }
      // For --help the parser returns a command of its own.
      if subcommands.isEmpty { throw showsNoText(words) }
      throw Failure(
        .usage, "expected \(subcommands.joined(separator: " or ")) after the program's name. Run: \(name) --help")
    }
  }

  private func showsNoText(_ words: [String]) -> Failure {
    Failure(
      .usage, "a stage shows neither its help nor its version. Run: \(name) \(words.joined(separator: " "))")
  }
}
