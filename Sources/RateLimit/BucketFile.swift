// SPDX-License-Identifier: MIT
import Glibc
import Records

/// Token buckets in a file that processes share, or in memory alone.
///
/// A bucket is one number: the time, in microseconds since the epoch, at which it will be full again (the generic cell
/// rate algorithm, which needs no refilling). The file is a table of slots of 16 bytes, a caller's hash and that
/// time; it is locked for each look, so that processes of one connection each count together.
package struct BucketFile {
  package struct Verdict: Equatable {
    package var passes: Bool
    /// Whole requests that could follow at once.
    package var remaining: Int
    /// Seconds until the bucket is full.
    package var reset: Int
    /// Seconds until the next request passes.
    package var retryAfter: Int
  }

  private struct Slot {
    var caller: UInt64 = 0
    var fullAt: Int64 = 0
  }

  /// Slots of the table: above this many callers at once the one that is fullest again makes room.
  private static let slots = 65_536
  /// How many slots a caller's may be in, from its hash on.
  private static let probes = 16

  private let table: UnsafeMutablePointer<Slot>
  private let file: Int32

  /// - Parameter path: of the shared file, made where there is none; nil keeps the buckets in memory.
  package init(path: String?) throws(Failure) {
    let size = Self.slots * MemoryLayout<Slot>.stride
    if let path {
      file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard file >= 0, ftruncate(file, off_t(size)) == 0 else {
        throw Failure(.system, "\(path) can't be opened: \(String(cString: strerror(errno)))", errno: errno)
      }
    } else {
      file = -1
    }
    let flags = path == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
    guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, file, 0), memory != MAP_FAILED else {
      throw Failure(.system, "the buckets can't be mapped: \(String(cString: strerror(errno)))", errno: errno)
    }
    table = memory.bindMemory(to: Slot.self, capacity: Self.slots)
  }

  /// Takes one token of a caller's bucket.
  ///
  /// - Parameter now: microseconds since the epoch.
  package func take(_ caller: String, at now: Int, _ rule: RateLimiter.Rule) -> Verdict {
    if file >= 0 { while flock(file, LOCK_EX) != 0, errno == EINTR {} }
    defer { if file >= 0 { flock(file, LOCK_UN) } }
    let slot = slot(of: Self.hash(caller), now)
    let (fullAt, verdict) = Self.weigh(fullAt: Int(slot.pointee.fullAt), now, rule)
    slot.pointee.fullAt = Int64(fullAt)
    return verdict
  }

  /// Whether a bucket that will be full at that time has a token, and when it will be full then.
  static func weigh(fullAt: Int, _ now: Int, _ rule: RateLimiter.Rule) -> (fullAt: Int, Verdict) {
    let perToken = 60_000_000 / rule.requests
    let depth = perToken * max(rule.burst, 1)
    // A clock that was set back must not lock anyone out for longer than an empty bucket would.
    let before = min(max(fullAt, now), now + depth)
    let after = before + perToken
    let passes = after - now <= depth
    let full = passes ? after : before
    func seconds(_ micros: Int) -> Int { (max(micros, 0) + 999_999) / 1_000_000 }
    return (
      full,
      Verdict(
        passes: passes, remaining: max(0, (depth - (full - now)) / perToken), reset: seconds(full - now),
        retryAfter: passes ? 0 : max(1, seconds(after - now - depth)))
    )
  }

  /// The caller's slot, or a free one, or that of the caller among its neighbours whose bucket is fullest.
  private func slot(of caller: UInt64, _ now: Int) -> UnsafeMutablePointer<Slot> {
    let home = Int(caller % UInt64(Self.slots))
    var best = table + home
    for step in 0..<Self.probes {
      let slot = table + (home + step) % Self.slots
      if slot.pointee.caller == caller { return slot }
      if slot.pointee.fullAt < best.pointee.fullAt { best = slot }
    }
    best.pointee = Slot(caller: caller, fullAt: 0)
    return best
  }

  /// FNV-1a: the same in every process, which Swift's own hashes aren't.
  private static func hash(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return hash
  }
}
