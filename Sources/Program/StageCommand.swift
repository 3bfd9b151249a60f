// SPDX-License-Identifier: MIT
import ArgumentParser
import CLinux
import Glibc
import JSONText
import Jansson
import Logs
import Records

/// A program that is a stage of a pipeline: alone in its process, or one of several.
package protocol StageCommand: ParsableCommand {
  var common: CommonOptions { get }
  /// How many values a body may hold.
  var maxNodes: Int { get }
  /// The name of the program in log lines.
  static var logName: String { get }
  static var isBackend: Bool { get }
  func append(to chain: Chain, log: Log) throws(Failure)
}

extension StageCommand {
  package static var logName: String { _commandName }
  package var maxNodes: Int { JSONCheck.maxNodes }

  package mutating func run() throws {
    // Ignored SIGPIPE is inherited through exec; a filter dies of it, as filters do.
    if !Self.isBackend { signal(SIGPIPE, SIG_DFL) }
    let chain = Chain()
    try join(chain)
    try chain.run()
  }

  /// Becomes the next stage of a chain.
  ///
  /// - Throws: the exit status, after the log line that says why.
  package func join(_ chain: Chain) throws(ExitCode) {
    let log = Log(program: Self.logName, level: common.logLevel)
    clinux_enter_stage(Int32(truncatingIfNeeded: chain.count))
    do throws(Failure) {
      try append(to: chain, log: log)
    } catch {
      throw error.exit(log)
    }
  }
}
