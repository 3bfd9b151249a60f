// SPDX-License-Identifier: MIT
import Glibc

/// How many of the descriptors that this process may open are left for clients.
///
/// Without any kept back, clients that do nothing could keep a pipeline that died from being started again.
package enum DescriptorBudget {
  /// Kept back whatever the number of pipelines: the pipes of stages while they are started (5), those of a reload (7),
  /// connections that are accepted only to be closed (16), a log that is opened again (4).
  private static let kept = 32
  /// Kept back for each pipeline: both ends of one more that takes its place, and of a stuck one that runs out.
  private static let keptForPipeline = 4

  /// - Parameter open: how many are open now, without any client.
  package static func connections(limit: Int, open: Int, pipelines: Int) -> Int {
    max(1, limit - open - kept - keptForPipeline * pipelines)
  }

  /// How many descriptors this process may open.
  static var limit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
    return Int(clamping: limit.rlim_cur)
  }

  /// How many are open.
  static var open: Int {
    guard let folder = opendir("/proc/self/fd") else { return 32 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    // The folder itself, and its two dots.
    return max(0, count - 3)
  }
}
