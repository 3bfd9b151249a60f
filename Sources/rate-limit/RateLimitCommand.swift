// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import RateLimit
import Records

@main
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

  @Option(help: ArgumentHelp("A token's name, an address, or loopback, that isn't limited.", valueName: "who"))
  var exempt: [String] = ["loopback"]

  @Option(help: ArgumentHelp("Keep the buckets in this file, which processes may share.", valueName: "file"))
  var buckets: String?

  func validate() throws {
    typealias Rule = RateLimiter.Rule
    guard (0...Rule.mostRequests).contains(requests) else {
      throw ValidationError("--requests is a number from 0 to \(Rule.mostRequests)")
    }
    guard (1...Rule.mostBurst).contains(burst) else {
      throw ValidationError("--burst is a number from 1 to \(Rule.mostBurst)")
    }
  }

  func filter() throws(Failure) -> RateLimiter {
    RateLimiter(
      .init(requests: requests, burst: burst), exempt: try Exemptions(exempt), buckets: try BucketFile(path: buckets))
  }

  static func main() { start() }
}
