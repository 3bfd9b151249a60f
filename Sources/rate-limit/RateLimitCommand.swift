// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import RateLimit
import Records

/// What the executable file calls.
@c(rate_limit_main)
public func rateLimitMain() { RateLimitCommand.start() }

/// The program as a stage of claude-pipe.
package var rateLimitStage: StageProgram { StageProgram(RateLimitCommand.self) }

struct RateLimitCommand: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "rate-limit",
    abstract: "Let requests pass, or answer them with 429.",
    discussion: "Reads records on stdin, writes them on stdout; limits each token or address by a bucket of its own.",
    version: version)

  @OptionGroup var common: CommonOptions

  @Option(help: ArgumentHelp("How many may pass a minute; 0 lets all pass.", valueName: "count"))
  var requests = 60

  @Option(help: ArgumentHelp("How many may come at once.", valueName: "count"))
  var burst = 10

  @Option(help: ArgumentHelp("The name of a key, an address, a network, or loopback: not limited.", valueName: "who"))
  var exempt: [String] = ["loopback"]

  @Option(help: ArgumentHelp("Keep the buckets in this file, which processes may share.", valueName: "file"))
  var buckets: String?

  func validate() throws {
    typealias Rule = RateLimiter.Rule
    for (option, value, range) in [
      ("--requests", requests, 0...Rule.mostRequests), ("--burst", burst, 1...Rule.mostBurst),
    ] where !range.contains(value) {
      throw ValidationError(NumberSetting.complaint(option, "\(value)", .requests, range))
    }
  }

  func filter() throws(Failure) -> RateLimiter {
    RateLimiter(
      .init(requests: requests, burst: burst), exempt: try Exemptions(exempt), buckets: try BucketFile(path: buckets))
  }
}
