// SPDX-License-Identifier: MIT
import Records

/// One command of a pipeline, and the stages that it runs: itself, or those in the text of a `claude-pipe`.
///
/// A person composes stages, so messages name and count stages, however many of them share a process.
struct StageGroup {
  /// The command.
  let words: [String]
  /// The words of each stage.
  let stages: [[String]]
  /// How many stages come before it in the pipeline.
  let before: Int

  /// The groups of a pipeline, in order.
  static func all(of commands: [[String]]) -> [StageGroup] {
    var before = 0
    return commands.map { words in
      let group = StageGroup(words: words, stages: PipelineText.expanded([words]), before: before)
      before += group.stages.count
      return group
    }
  }

  /// The command is a `claude-pipe`.
  var isPipe: Bool { stages != [words] }

  /// Its stages as a message names them before what is wrong with them.
  var name: String {
    if stages.count == 1 { return "stage \(before + 1), `\(Stage.text(of: words))`," }
    return "stages \(before + 1) to \(before + stages.count), `\(Stage.text(of: words))`,"
  }

  /// Its process as the log names it before how it ended.
  var processName: String {
    guard isPipe else { return "stage \(before + 1) of the pipeline, \(words[0])," }
    let place = stages.count == 1 ? "stage \(before + 1)" : "stages \(before + 1) to \(before + stages.count)"
    return "\(words[0]), which runs \(place) of the pipeline (\(programs.joined(separator: ", "))),"
  }

  /// The names of the programs of its stages, without folders and options.
  var programs: [String] { stages.map { Secrets.lastPart($0[0][...]) } }

  /// Each stage as a group, for a trial of one after the other.
  var parts: [StageGroup] {
    stages.enumerated().map { StageGroup(words: $1, stages: [$1], before: before + $0) }
  }
}
