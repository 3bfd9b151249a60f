// SPDX-License-Identifier: MIT

/// Puts the stages of a pipeline that can share a process into groups.
package enum PipelineGroups {
  /// What a stage is to the program that runs a group.
  package enum Member {
    /// It runs this stage.
    case filter
    /// It runs this stage, and at most one such in a process.
    case backend
    /// It does not run this stage.
    case foreign
  }

  /// The pipeline's text, with each longest run of at least two members as one command, `PROGRAM 'RUN'`.
  ///
  /// All other stages stay as they were written. A second backend begins a new run.
  ///
  /// - Parameters:
  ///   - member: what a stage is, by its words.
  ///   - program: the program that runs a group of these stages, as one word.
  /// - Throws: ``Failure`` of kind `usage` where the text can't be read.
  package static func text(
    grouping text: String, member: ([String]) -> Member, program: ([[String]]) -> String
  ) throws(Failure) -> String {
    var commands: [String] = []
    var run: [PipelineText.Command] = []
    var hasBackend = false
    func endRun() {
      if run.count < 2 {
        commands += run.map(\.text)
      } else {
        let text = run.map(\.text).joined(separator: " | ")
        commands.append("\(program(run.map(\.words))) \(PipelineText.quoted(text))")
      }
      run = []
      hasBackend = false
    }
    for command in try PipelineText.commands(of: text) {
      let member = member(command.words)
      if member == .foreign || member == .backend && hasBackend { endRun() }
      if member == .foreign {
        commands.append(command.text)
      } else {
        run.append(command)
        hasBackend = hasBackend || member == .backend
      }
    }
    endRun()
    return commands.joined(separator: " | ")
  }
}
