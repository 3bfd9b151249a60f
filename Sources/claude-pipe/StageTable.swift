// SPDX-License-Identifier: MIT
import Glibc
import Program
import anth2oai
import anth2resp
import claude_echo
import claude_exec
import claude_http
import model_map
import oai2anth
import rate_limit
import resp2anth
import responses_store
import sse_encode

/// The programs that can share a process.
struct StageTable {
  private let programs: [StageProgram] = [
    rateLimitStage, responsesStoreStage, modelMapStage, oai2anthStage, resp2anthStage,
    claudeExecStage, claudeHTTPStage, claudeEchoStage,
    anth2oaiStage, anth2respStage, sseEncodeStage,
  ]

  /// The path of this program, without symbolic links.
  private let executable = Self.resolved("/proc/self/exe") ?? ""

  /// The program of a stage: one whose name is in the table, or the path of its file beside this program's own.
  ///
  /// A file of the same name elsewhere is another program.
  func program(_ word: String) -> StageProgram? {
    let name = word.lastIndex(of: "/").map { String(word[word.index(after: $0)...]) } ?? word
    guard let program = programs.first(where: { $0.name == name }) else { return nil }
    return name == word || Self.resolved(word) == folder + name ? program : nil
  }

  /// The word that starts this program in place of these stages: by its path if they have one.
  func ownWord(for stages: [[String]]) -> String {
    guard let word = stages.lazy.map({ $0[0] }).first(where: { $0.contains("/") }) else { return Self.name }
    let beside = word[...word.lastIndex(of: "/")!] + Self.name
    return Self.resolved(String(beside)) == executable ? String(beside) : executable
  }

  static let name = "claude-pipe"

  /// The folder that this program is in, with the sign at its end.
  private var folder: Substring { executable.lastIndex(of: "/").map { executable[...$0] } ?? "" }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
