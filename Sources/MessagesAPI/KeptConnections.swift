// SPDX-License-Identifier: MIT

/// Whether connections to the upstream are kept for later requests.
///
/// A server that sends an answer which nobody asked for may do so again, and where that comes late it can cost the next
/// request on its connection. So after one of them connections are used once, for a while.
package struct KeptConnections: Sendable {
  /// The end of that while, in nanoseconds of the monotonic clock.
  private var until: UInt64 = 0

  package init() {}

  /// Notes that the upstream has sent an answer which nobody asked for; true where connections were kept until now.
  ///
  /// - Parameter now: nanoseconds of the monotonic clock.
  package mutating func noteSurplus(at now: UInt64) -> Bool {
    let wereKept = areKept(at: now)
    until = now + UInt64(HTTPLimits.surplusPause) * 1_000_000_000
    return wereKept
  }

  package func areKept(at now: UInt64) -> Bool { now >= until }
}
