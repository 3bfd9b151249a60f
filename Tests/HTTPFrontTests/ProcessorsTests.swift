// SPDX-License-Identifier: MIT
import Testing

@testable import HTTPFront

@Suite("how many pipelines auto means")
struct ProcessorsTests {
  @Test(
    "the processors that a process may use",
    arguments: [
      (4, [], 4), (4, ["max 100000"], 4), (4, ["150000 100000\n"], 2), (4, ["max 100000", "100000 100000"], 1),
      (2, ["800000 100000"], 2), (4, ["", "x y", "0 100000", "100000 0"], 4), (8, ["1000 100000"], 1),
    ])
  func processors(_ allowed: Int, _ quotas: [String], _ usable: Int) {
    #expect(Processors.usable(allowed: allowed, quotas: quotas) == usable)
  }

  @Test(
    "where the limits of a control group are",
    arguments: [
      ("0::/\n", ["/sys/fs/cgroup"]), ("", []), ("5:cpu:/a\n", []),
      ("0::/a/b.slice\n", ["/sys/fs/cgroup/a/b.slice", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]),
    ])
  func controlGroups(_ text: String, _ folders: [String]) { #expect(Processors.folders(of: text) == folders) }

  @Test(
    "how many pipelines",
    arguments: [("auto", PipelineCount.auto), ("3", .fixed(3)), ("many", nil), ("", nil), ("Auto", nil)])
  func pipelineCount(_ text: String, _ count: PipelineCount?) { #expect(PipelineCount(text) == count) }
}
