// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records
import SharedFile

/// Token buckets in a file that processes share, or in memory alone.
///
/// A bucket is one number: the time, in microseconds since the epoch, at which it will be full again (the generic cell
/// rate algorithm, which needs no refilling). The file is 16 bytes that say what it is, the latest time that was
/// seen, and from byte 32 on a table of slots of 16 bytes, a caller's hash and that time; it is locked for each look, so
/// that processes of one connection each count together.
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
  /// "claude-buckets 2": what is written otherwise begins the file.
  private static let mark = (UInt64(0x622D_6564_7561_6C63), UInt64(0x3220_7374_656B_6375))
  private static let (latestAt, tableAt) = (16, 32)
  private static let size = tableAt + slots * MemoryLayout<Slot>.stride
  /// How much older than another one a request may be that comes after it, in microseconds: more than any waits on its
  /// way here. Only a clock that was set back is further behind.
  private static let late = 60_000_000

  private let memory: SharedMemory
  private let table: UnsafeMutablePointer<Slot>

  /// - Parameter path: of the shared file, made where there is none; nil keeps the buckets in memory. Another version's
  ///   buckets, and what has the size of ours and isn't, go: all are full then.
  /// - Throws: ``Failure``, of kind `configuration` where the file is plainly something else's; it stays as it is.
  package init(path: String?) throws(Failure) {
    if let path, Self.isForeign(path) {
      throw Failure(.configuration, "\(path) holds something else than buckets; name another file, or remove it")
    }
    memory = try SharedMemory(path: path, size: Self.size)
    table = (memory.base + Self.tableAt).bindMemory(to: Slot.self, capacity: Self.slots)
    let base = memory.base
    memory.locked {
      guard (base.load(as: UInt64.self), base.load(fromByteOffset: 8, as: UInt64.self)) != Self.mark else { return }
      // Zeros over zeros would make all pages of new memory this process's own.
      if !memory.isNew { base.initializeMemory(as: UInt8.self, repeating: 0, count: Self.size) }
      base.storeBytes(of: Self.mark.0, as: UInt64.self)
      base.storeBytes(of: Self.mark.1, toByteOffset: 8, as: UInt64.self)
    }
  }

  /// Whether a file is none that we may write over: by its size, unless its beginning says what it is.
  private static func isForeign(_ path: String) -> Bool {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard file >= 0 else { return false }
    defer { close(file) }
    var (found, first) = (stat(), UInt64(0))
    // The first version's was the table alone, without a mark.
    let known = [0, off_t(size), off_t(size - tableAt)]
    guard fstat(file, &found) == 0, !known.contains(found.st_size) else { return false }
    return pread(file, &first, 8, 0) != 8 || first != mark.0
  }

  /// Takes one token of a caller's bucket.
  ///
  /// - Parameter now: microseconds since the epoch.
  package func take(_ caller: String, at now: Int, _ rule: RateLimiter.Rule) -> Verdict {
    var caller = caller
    let hash = caller.withUTF8 { UInt64(hashing: $0) }
    return memory.locked {
      let now = latest(now)
      let slot = slot(of: hash, now)
      let (fullAt, verdict) = Self.weigh(fullAt: Int(slot.pointee.fullAt), now, rule)
      slot.pointee.fullAt = Int64(fullAt)
      return verdict
    }
  }

  /// The time that counts: processes come to the lock in another order than their requests came to them, and one that is
  /// merely late must not take back what others have used up.
  private func latest(_ now: Int) -> Int {
    let seen = Int(memory.base.load(fromByteOffset: Self.latestAt, as: Int64.self))
    if now < seen, now + Self.late >= seen { return seen }
    memory.base.storeBytes(of: Int64(now), toByteOffset: Self.latestAt, as: Int64.self)
    return now
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
}
