// SPDX-License-Identifier: MIT
import Glibc

/// The clock that no one sets, for what has to wait without an event loop.
enum MonotonicClock {
  /// In milliseconds, from some time in the past.
  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }
}
