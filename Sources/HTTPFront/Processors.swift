// SPDX-License-Identifier: MIT
import CLinux
import Glibc

/// How many pipelines `auto` means: one for each processor that this process may use.
package enum Processors {
  /// The most pipelines that `auto` starts: more of them gain little, since the server itself is one thread.
  package static let maxPipelines = 8

  package static var pipelines: Int {
    min(max(usable(allowed: Int(clinux_processors()), quotas: quotas()), 1), maxPipelines)
  }

  /// The processors that a process may use at the same time.
  ///
  /// - Parameters:
  ///   - allowed: how many the scheduler gives it.
  ///   - quotas: the contents of `cpu.max` of its control group and of those above.
  static func usable(allowed: Int, quotas: [String]) -> Int {
    quotas.compactMap(processors).reduce(allowed, min)
  }

  /// The processors of a `cpu.max`, `QUOTA PERIOD` in microseconds, rounded up; nil where there is no limit.
  private static func processors(quota text: String) -> Int? {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), quota > 0, period > 0 else {
      return nil
    }
    return (quota - 1) / period + 1
  }

  /// The folders in which a process of these control groups finds its limits, from its own to the root.
  ///
  /// - Parameter groups: the contents of `/proc/self/cgroup`. Version 2 has one line, `0::PATH`.
  static func folders(of groups: String) -> [String] {
    guard let line = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return [] }
    var parts = line.dropFirst(4).split(separator: "/")
    var folders: [String] = []
    while true {
      folders.append((["/sys/fs/cgroup"] + parts.map(String.init)).joined(separator: "/"))
      if parts.popLast() == nil { return folders }
    }
  }

  private static func quotas() -> [String] {
    folders(of: contents(of: "/proc/self/cgroup") ?? "").compactMap { contents(of: $0 + "/cpu.max") }
  }

  /// The text of a small file of the system; nil where it can't be read.
  private static func contents(of path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
      let count = read(file, buffer.baseAddress, buffer.count)
      return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
  }
}

/// What the option `--pipelines` says.
package enum PipelineCount: Equatable, Sendable {
  case fixed(Int)
  /// As many as there are processors for them.
  case auto

  package init?(_ text: String) {
    if text == "auto" {
      self = .auto
    } else if let number = Int(text) {
      self = .fixed(number)
    } else {
      return nil
    }
  }
}
