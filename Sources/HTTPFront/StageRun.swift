// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import Records

/// Runs the stages of a pipeline between standard input and standard output, without a server: what `claude-proxy ask` does.
///
/// Each stage gets what it would get of a server: the environment without the secrets that it does not declare, and a
/// process group of its own.
package enum StageRun {
  /// How long the stages have after a signal to end their work, in milliseconds; then they are killed.
  private static let patience = 2 * FrontLimits.endStep

  /// Returns when all stages have ended: with the status of the last one, as a shell would.
  ///
  /// - Throws: ``Failure`` of kind `unavailable` where a stage can't be started.
  package static func run(_ commands: [[String]], environment: Environment) throws(Failure) -> Int32 {
    let signals = try Signals.open()
    defer { close(signals) }
    let stages = try start(commands, environment: environment)
    defer { for stage in stages { stage.destroy() } }
    // The ends of the pipes are the stages' alone, so that each sees the end of its neighbour.
    let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
    for descriptor in [STDIN_FILENO, STDOUT_FILENO] { dup2(nothing, descriptor) }
    close(nothing)
    wait(for: stages, signals)
    return stages.last?.status.map { $0 & 0x7F == 0 ? $0 >> 8 & 0xFF : 128 + ($0 & 0x7F) } ?? 0
  }

  private static func start(_ commands: [[String]], environment: Environment) throws(Failure) -> [Stage] {
    var stages: [Stage] = []
    var input = STDIN_FILENO
    do throws(Failure) {
      for (index, words) in commands.enumerated() {
        var ends = [STDIN_FILENO, STDOUT_FILENO]
        let isLast = index == commands.count - 1
        if !isLast, clinux_pipe(&ends) != 0 {
          throw Failure(.system, "no pipe: \(String(cString: strerror(errno)))", errno: errno)
        }
        defer {
          if input != STDIN_FILENO { close(input) }
          if !isLast { close(ends[1]) }
          input = ends[0]
        }
        stages.append(try Stage(words, input: input, output: ends[1], environment: environment))
      }
    } catch {
      if input != STDIN_FILENO { close(input) }
      for stage in stages { stage.destroy() }
      throw error
    }
    return stages
  }

  /// Waits until all have ended. Each signal but that of a child has them end their work, then kills them.
  private static func wait(for stages: [Stage], _ signals: Int32) {
    var killing: Int64?
    while true {
      for stage in stages { _ = stage.checkEnded() }
      let running = stages.filter { !$0.hasEnded }
      if running.isEmpty { return }
      let now = MonotonicClock.now
      if let time = killing, now >= time { for stage in running { stage.signal(SIGKILL) } }
      var ready = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
      poll(&ready, 1, killing.map { Int32($0 > now ? $0 - now : 100) } ?? -1)
      while case let signal = clinux_read_signal(signals), signal > 0 {
        guard signal != SIGCHLD, killing == nil else { continue }
        for stage in running { stage.signal(SIGTERM) }
        killing = now + patience
      }
    }
  }
}
