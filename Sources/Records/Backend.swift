// SPDX-License-Identifier: MIT

/// A program that answers requests later than it takes them: it waits on more than its stdin.
package protocol Backend: AnyObject {
  /// Takes a request. Its records go to a ``Port``, now or later.
  ///
  /// Bare requests, whose answers bear no name, come one at a time.
  ///
  /// - Throws: the answer to a request that can't be taken and has no record yet; the run loop writes `error` and
  ///   `end`, or hands the request on.
  func take(_ line: Line) throws(APIError)

  /// Stops the work on a request, whose client is gone; false where there is none.
  func cancel(_ id: RequestID) -> Bool

  /// What it hands on instead of answering.
  var declining: Declining { get }

  /// Requests that have no `end` yet. At the end of the input the runner waits until it is 0.
  var inFlight: Int { get }

  /// Told by SIGHUP to read its files again. False where it has none: then the signal ends the program.
  func reload() -> Bool

  /// End all work now: children, files. Nobody hears what would still be written.
  func stop()
}

extension Backend {
  package var declining: Declining { Declining() }
  package func reload() -> Bool { false }
}

/// Where a backend writes: what is in it goes to stdout when the reactor has handled its batch.
package final class Port {
  package var output = Output()
  package init() {}
}
