// SPDX-License-Identifier: MIT
import JSONText

/// Which half of the pipe a filter stands in: what a bad line is answered with, and what a bare body means.
package enum Side: Sendable {
  /// Before the backend, or the backend: bare bodies are requests.
  case request
  /// Behind the backend: bare bodies are events, responses and errors.
  case answer
}

/// A step of the pipe.
///
/// It takes lines, hands records on, keeps its state in itself, and touches nothing else: no descriptor, clock,
/// random number or environment. Whatever it must know of the request or the time came in a record.
package protocol RecordFilter {
  static var side: Side { get }

  /// Takes one line and hands any number on.
  ///
  /// Bare bodies come as lines too: of kind `request` on the request side; on the answer side within a `begin` and an
  /// `end` made for them.
  ///
  /// - Throws: the answer to a line that this filter can't take; the run loop writes `error` and `end`.
  mutating func take(_ line: Line, to out: inout Output) throws(APIError)

  /// Whether the next line can be taken now; until then the rest of the input waits.
  var isReady: Bool { get }

  /// Told that nothing more will come for an answer that failed, so that its state can go.
  mutating func forget(_ id: RequestID)

  /// Told once, after the last line: hand on whatever is still owed.
  mutating func finish(to out: inout Output)
}

extension RecordFilter {
  package var isReady: Bool { true }
  package mutating func forget(_ id: RequestID) {}
  package mutating func finish(to out: inout Output) {}
}

/// What answers still lack when their records stop coming.
package let endedEarly = APIError(status: 502, "the answer ended before it was complete")
