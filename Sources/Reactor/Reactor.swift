// SPDX-License-Identifier: MIT
import CLinux
import Glibc

/// Waits on many descriptors and timers at once, in one thread.
package final class Reactor {
  package struct Events: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// There is something to read, or the other side has closed.
    package static let readable = Events(rawValue: 1)
    package static let writable = Events(rawValue: 4)
    /// The other side is gone or broken; reported whether asked for or not.
    package static let hangUp = Events(rawValue: 16 | 8)
  }

  package struct Timer: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct Deadline {
    var at: UInt64
    var number: UInt64
  }

  private let epoll: Int32
  private var handlers: [Int32: (Events) -> Void] = [:]
  /// Descriptors that never block and that epoll refuses: regular files.
  private var files: Set<Int32> = []
  private var deadlines: [Deadline] = []
  private var alarms: [UInt64: () -> Void] = [:]
  private var timersMade: UInt64 = 0
  private var isStopped = false

  /// Called when a batch of events has been handled, before waiting again: the place to write what came of them.
  package var beforeWaiting: () -> Void = {}

  package init() {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    precondition(epoll >= 0, "epoll_create1: errno \(errno)")
  }

  deinit { close(epoll) }

  /// Calls the handler whenever the descriptor is ready; a second call for a descriptor replaces the first.
  package func watch(_ fd: Int32, for events: Events, _ handler: @escaping (Events) -> Void) {
    var event = epoll_event(events: events.rawValue, data: epoll_data_t(fd: fd))
    let isKnown = handlers.updateValue(handler, forKey: fd) != nil
    if isKnown, epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0 { return }
    // The kernel forgets a descriptor when it is closed; a library may close one and open it anew behind our back.
    if epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 {
      precondition(errno == EPERM, "epoll_ctl on descriptor \(fd): errno \(errno)")
      files.insert(fd)
    }
  }

  package func unwatch(_ fd: Int32) {
    guard handlers.removeValue(forKey: fd) != nil, files.remove(fd) == nil else { return }
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nil)
  }

  /// Nanoseconds of a clock that only goes forward.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Calls the action once, when that many milliseconds have passed.
  @discardableResult
  package func after(milliseconds: Int, _ action: @escaping () -> Void) -> Timer {
    at(Self.now + UInt64(max(milliseconds, 0)) * 1_000_000, action)
  }

  /// Calls the action once, when ``now`` has reached that time.
  @discardableResult
  package func at(_ time: UInt64, _ action: @escaping () -> Void) -> Timer {
    timersMade += 1
    alarms[timersMade] = action
    deadlines.append(Deadline(at: time, number: timersMade))
    siftUp(deadlines.count - 1)
    return Timer(number: timersMade)
  }

  package func cancel(_ timer: Timer?) {
    guard let timer else { return }
    alarms[timer.number] = nil
    // The heap drops what has no alarm when it comes up; don't let cancelled ones pile up.
    if deadlines.count > 64, deadlines.count > 2 * alarms.count {
      deadlines.removeAll { alarms[$0.number] == nil }
      deadlines.sort { $0.at < $1.at }
    }
  }

  package func stop() { isStopped = true }

  /// Runs until ``stop()``.
  package func run() {
    withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 256) { ready in
      while true {
        beforeWaiting()
        if isStopped { return }
        let count = epoll_wait(epoll, ready.baseAddress, Int32(ready.count), wait())
        if count > 0 {
          for index in 0..<Int(count) {
            let fd = ready[index].data.fd
            // An earlier handler of this batch may have unwatched it.
            handlers[fd]?(Events(rawValue: ready[index].events))
          }
        }
        for fd in files { handlers[fd]?(.readable) }
        ring()
      }
    }
  }

  /// How long the next wait may be, in milliseconds; -1 is for ever.
  private func wait() -> Int32 {
    if !files.isEmpty { return 0 }
    guard let next = deadlines.first else { return -1 }
    let now = Self.now
    guard next.at > now else { return 0 }
    return Int32(clamping: (next.at - now + 999_999) / 1_000_000)
  }

  private func ring() {
    guard !deadlines.isEmpty else { return }
    let now = Self.now
    while let next = deadlines.first, next.at <= now {
      removeFirst()
      alarms.removeValue(forKey: next.number)?()
    }
  }

  // MARK: The heap of deadlines, the earliest first

  private func siftUp(_ index: Int) {
    var index = index
    while index > 0, deadlines[index].at < deadlines[(index - 1) / 2].at {
      deadlines.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private func removeFirst() {
    let last = deadlines.removeLast()
    guard !deadlines.isEmpty else { return }
    deadlines[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < deadlines.count && deadlines[child].at < deadlines[least].at {
        least = child
      }
      if least == index { return }
      deadlines.swapAt(index, least)
      index = least
    }
  }
}
