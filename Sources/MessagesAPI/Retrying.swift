// SPDX-License-Identifier: MIT
import CCurl
import JSONText

/// How often a request may be tried again, and when: only as long as nothing of its answer was written.
///
/// - SeeAlso: the vendor's SDKs, which do the same: <https://github.com/anthropics/anthropic-sdk-python#retries>
package struct Retrying: Equatable, Sendable {
  /// Tries left, besides the one under way.
  package private(set) var left: Int
  private var tried = 0

  package init(_ most: Int = 0) { left = most }

  package var isOn: Bool { left > 0 }

  /// When to try again, in milliseconds from now; nil where not to.
  ///
  /// - Parameters:
  ///   - status: what the request failed with.
  ///   - head: the head of the upstream's answer, if there was one.
  ///   - chance: from 0 to 1; clients that failed together shouldn't come again together.
  ///   - within: how long it may take at most, in milliseconds.
  package mutating func wait(
    after status: Int, _ head: borrowing AnswerHead, chance: Double, within: Int
  ) -> Int? {
    guard left > 0, head.shouldRetry ?? (Self.statuses.contains(status) || status >= 500) else { return nil }
    let wait: Int
    if let told = head.retryAfter {
      // It said when there will be room: to come sooner is no use, and to keep a client waiting for long neither.
      guard told <= HTTPLimits.maxRetryWait else { return nil }
      wait = told
    } else {
      let longest = min(HTTPLimits.firstRetryWait << min(tried, 10), HTTPLimits.lastRetryWait)
      wait = Int(Double(longest) * (1 - chance / 4))
    }
    guard wait < within else { return nil }
    left -= 1
    tried += 1
    return wait
  }

  /// Those below 500 that may pass: a time-out, a conflict, a limit.
  private static let statuses: Set<Int> = [408, 409, 429]
}

/// When an upstream asks to come again, by its headers.
package struct RetryAfter: Equatable {
  private var exact: Int?
  private var seconds: Int?
  private var date: Int?
  /// The time of the answer, so that clocks needn't agree.
  private var now: Int?

  /// Takes a header, if it is one of those that matter; its name in lower case.
  mutating func take(_ name: ByteSlice, _ value: ByteSlice) {
    func milliseconds(_ scale: Double) -> Int? {
      guard let number = Double(value.text), number >= 0, number < 1e9 else { return nil }
      return Int(number * scale)
    }
    func time() -> Int? {
      let time = ccurl_getdate(value.text)
      return time > 0 ? time : nil
    }
    if name.equals("retry-after-ms") {
      exact = milliseconds(1)
    } else if name.equals("retry-after") {
      seconds = milliseconds(1_000)
      if seconds == nil { date = time() }
    } else if name.equals("date") {
      now = time()
    }
  }

  /// In milliseconds from the answer on; nil where nothing was said.
  var milliseconds: Int? {
    if let known = exact ?? seconds { return known }
    guard let date, let now else { return nil }
    return max(0, date - now) * 1_000
  }
}
