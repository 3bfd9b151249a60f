// SPDX-License-Identifier: MIT
import Foundation
import Records
import Testing

@testable import RateLimit

@Suite("buckets")
struct BucketTests {
  private static let rule = RateLimiter.Rule(requests: 60, burst: 3)
  /// A day in November 2025, in microseconds since the epoch.
  private static let start = 1_764_000_000_000_000
  private static let second = 1_000_000

  @Test("a full bucket gives its burst, and one more each second")
  func burst() throws {
    let buckets = try BucketFile(path: nil)
    let verdicts = (0..<4).map { _ in buckets.take("a", at: Self.start, Self.rule) }
    #expect(verdicts.map(\.passes) == [true, true, true, false])
    #expect(verdicts.map(\.remaining) == [2, 1, 0, 0])
    #expect(verdicts.map(\.reset) == [1, 2, 3, 3])
    #expect(verdicts.map(\.retryAfter) == [0, 0, 0, 1])
    #expect(!buckets.take("a", at: Self.start + Self.second - 1, Self.rule).passes)
    #expect(buckets.take("a", at: Self.start + Self.second, Self.rule).passes)
    #expect(!buckets.take("a", at: Self.start + Self.second, Self.rule).passes)
  }

  @Test("a minute's worth passes in a minute, and no more, at any pace", arguments: [1, 7, 60, 600])
  func rate(_ requests: Int) throws {
    let buckets = try BucketFile(path: nil)
    let rule = RateLimiter.Rule(requests: requests, burst: 1)
    // Twenty tries for each token, over two minutes.
    let tries = 2 * requests * 20
    let passed = (0..<tries).filter { buckets.take("a", at: Self.start + $0 * 120 * Self.second / tries, rule).passes }
    #expect(abs(passed.count - 2 * requests) <= 1 + requests / 10)
  }

  @Test("a bucket that has rested is full, and not fuller")
  func rest() throws {
    let buckets = try BucketFile(path: nil)
    for _ in 0..<3 { _ = buckets.take("a", at: Self.start, Self.rule) }
    let later = Self.start + 3600 * Self.second
    let passed = (0..<5).filter { _ in buckets.take("a", at: later, Self.rule).passes }
    #expect(passed.count == 3)
  }

  @Test("callers don't share")
  func callers() throws {
    let buckets = try BucketFile(path: nil)
    let rule = RateLimiter.Rule(requests: 60, burst: 1)
    for number in 0..<1000 {
      #expect(buckets.take("caller \(number)", at: Self.start, rule).passes)
    }
    #expect(!buckets.take("caller 7", at: Self.start, rule).passes)
  }

  @Test("a clock that was set back locks nobody out for longer than an empty bucket would")
  func clockSetBack() throws {
    let buckets = try BucketFile(path: nil)
    for _ in 0..<3 { _ = buckets.take("a", at: Self.start + 86_400 * Self.second, Self.rule) }
    let verdict = buckets.take("a", at: Self.start, Self.rule)
    #expect(!verdict.passes)
    #expect(verdict.retryAfter == 1)
    #expect(verdict.reset == 3)
    #expect(buckets.take("a", at: Self.start + Self.second, Self.rule).passes)
  }

  @Test("two processes share a file")
  func sharedFile() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "buckets-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let (one, other) = (try BucketFile(path: path), try BucketFile(path: path))
    #expect(one.take("a", at: Self.start, Self.rule).remaining == 2)
    #expect(other.take("a", at: Self.start, Self.rule).remaining == 1)
    #expect(one.take("a", at: Self.start, Self.rule).remaining == 0)
    #expect(!other.take("a", at: Self.start, Self.rule).passes)
    #expect(other.take("b", at: Self.start, Self.rule).remaining == 2)
    // A third one that starts later finds what the others left.
    #expect(!(try BucketFile(path: path)).take("a", at: Self.start, Self.rule).passes)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test("a file of the first version, whose beginning may be free, is emptied")
  func firstVersion() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "buckets-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    // Each bucket but the first is empty for ever.
    try Data(repeating: 0, count: 16).write(to: URL(filePath: path))
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data(repeating: 0x7F, count: 65_535 * 16))
    try file.close()
    #expect(try BucketFile(path: path).take("a", at: Self.start, Self.rule).remaining == 2)
  }

  @Test("the pages of a new file are not written before they are needed")
  func newFile() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "buckets-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let buckets = try BucketFile(path: path)
    #expect(buckets.take("a", at: Self.start, Self.rule).remaining == 2)
    // One read gives a page of it. And without a later use the file would be unmapped by then.
    let smaps = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
    let all = try withExtendedLifetime(buckets) { try smaps.readToEnd() ?? Data() }
    let maps = String(decoding: all, as: UTF8.self)
    let mapping = try #require(
      maps.components(separatedBy: "\n").drop { !$0.hasSuffix(path) }.first { $0.hasPrefix("Private_Dirty:") })
    let kilobytes = try #require(mapping.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    #expect(kilobytes < 100)
  }

  @Test("the folder of the file is made again, for us alone")
  func noFolder() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/buckets-\(UInt64.random(in: 0...UInt64.max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    _ = try BucketFile(path: folder + "/run/buckets")
    let mode = try FileManager.default.attributesOfItem(atPath: folder + "/run")[.posixPermissions] as? Int
    #expect(mode == 0o700)
  }

  @Test("a file that can't be made is a failure")
  func noFile() {
    let failure = #expect(throws: Failure.self) { try BucketFile(path: "/proc/no-such-folder/buckets") }
    #expect(failure?.kind == .system)
  }

  @Test("the largest limits don't overflow")
  func largest() throws {
    let buckets = try BucketFile(path: nil)
    for rule in [
      RateLimiter.Rule(requests: RateLimiter.Rule.mostRequests, burst: RateLimiter.Rule.mostBurst),
      RateLimiter.Rule(requests: 1, burst: RateLimiter.Rule.mostBurst),
      RateLimiter.Rule(requests: RateLimiter.Rule.mostRequests, burst: 1),
    ] {
      for now in [0, Self.start, 1 << 60] { _ = buckets.take("a", at: now, rule) }
    }
  }
}
