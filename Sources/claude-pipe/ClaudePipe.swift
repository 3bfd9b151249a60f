// SPDX-License-Identifier: MIT
import ArgumentParser
import CLinux
import Glibc
import JSONText
import Logs
import Program
import Records

/// What the executable file calls.
@c(claude_pipe_main)
public func claudePipeMain() { ClaudePipe.start() }

struct ClaudePipe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: StageTable.name,
    abstract: "Run a pipeline of the proxy's own programs in one process.",
    discussion: """
      Reads records on stdin, writes them on stdout, as the same stages do with pipes between them: \
      claude-pipe 'oai2anth | claude-http | anth2oai'.
      """,
    version: version)

  @Flag(help: "Print the pipeline with the stages grouped that can share a process, and exit.")
  var group = false

  @Argument(help: ArgumentHelp("The stages: words and '|', as one argument.", valueName: "text"))
  var text: String

  func run() throws {
    let table = StageTable()
    let stages: [Stage]
    do throws(Failure) {
      if group { return try Self.print(try grouped(table) + "\n") }
      stages = try self.stages(table)
    } catch {
      throw error.exit(Log(program: StageTable.name))
    }
    // Ignored SIGPIPE is inherited through exec; filters die of it, as filters do.
    if !stages.contains(where: \.program.isBackend) { signal(SIGPIPE, SIG_DFL) }
    let chain = Chain()
    Self.setCrashLine(of: nil, Log(program: StageTable.name))
    clinux_tell_of_crashes()
    for stage in stages {
      Self.setCrashLine(of: (stage, chain.count), Log(program: stage.program.name))
      try stage.command.join(chain)
    }
    try chain.run()
  }

  /// A stage whose words were read.
  private struct Stage {
    var program: StageProgram
    var command: any StageCommand
  }

  /// - Throws: ``Failure`` of kind `usage`, which says how the pipeline can be run.
  private func stages(_ table: StageTable) throws(Failure) -> [Stage] {
    var stages: [Stage] = []
    for (index, words) in try Self.reading({ () throws(Failure) in try PipelineText.stages(of: text) }).enumerated() {
      let place = "stage \(index + 1), \(words[0])"
      guard let program = table.program(words[0]) else {
        let folder = words[0].contains("/") ? " in the folder of claude-pipe" : ""
        throw Failure(
          .usage, "\(place), is not a program of claude-proxy\(folder). Run it beside them: \(try grouped(table))")
      }
      if program.isBackend, stages.contains(where: \.program.isBackend) {
        throw Failure(
          .usage, "\(place), is a second backend, and a process runs one at most. Run: \(try grouped(table))")
      }
      do throws(Failure) {
        stages.append(Stage(program: program, command: try program.command(Array(words.dropFirst()))))
      } catch {
        throw Failure(error.kind, "stage \(index + 1), \(program.name): \(error.message)")
      }
    }
    return stages
  }

  /// The pipeline with the stages grouped that can share a process.
  private func grouped(_ table: StageTable) throws(Failure) -> String {
    try Self.reading { () throws(Failure) in
      try PipelineGroups.text(grouping: text) { words in
        table.program(words[0]).map { $0.isBackend ? .backend : .filter } ?? .foreign
      } program: { stages in
        let word = table.ownWord(for: stages)
        return word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+".contains($0)) }
          ? word : PipelineText.quoted(word)
      }
    }
  }

  /// Adds to the failure of a text that can't be read what was expected.
  private static func reading<T>(_ read: () throws(Failure) -> T) throws(Failure) -> T {
    do throws(Failure) {
      return try read()
    } catch {
      throw Failure(.usage, "\(error.message). Expected stages, as in: claude-pipe 'oai2anth | claude-http | anth2oai'")
    }
  }

  private static func print(_ text: String) throws(Failure) {
    var bytes = Bytes()
    bytes.append(text: text)
    try StandardIO.write(bytes.slice)
  }

  /// Sets what the log says if the process crashes while a stage is at work, or none.
  private static func setCrashLine(of stage: (Stage, index: Int)?, _ log: Log) {
    let message = stage.map { "stage \($1 + 1), \($0.program.name), crashed" } ?? "crashed while no stage was at work"
    let line = log.line(.error, message, [], at: CLINUX_CRASH_TIME).text
    clinux_set_crash_line(stage.map { Int32($0.index) } ?? -1, line)
  }
}
