// SPDX-License-Identifier: MIT
import JSONText

/// The statuses whose requests a backend doesn't answer: it hands them on, as they came, to the next one in the pipe.
///
/// Only a request of whose answer nothing was written can be handed on. What is found out about it on the way, such
/// as its losses, stays behind: the next backend begins with what the client asked.
package struct Declining: Equatable, Sendable {
  package var statuses: Set<Int>

  package init(_ statuses: Set<Int> = []) { self.statuses = statuses }

  /// Reads a list such as `401,429,529`; nil where something in it is no status of an error.
  package init?(reading text: String) {
    statuses = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let status = Int(word), (400..<600).contains(status) else { return nil }
      statuses.insert(status)
    }
  }

  /// Whether there is a next backend.
  package var isOn: Bool { !statuses.isEmpty }

  package func covers(_ status: Int) -> Bool { statuses.contains(status) }
}

/// A request as it came, kept as long as it may have to be handed on.
package struct KeptRequest: ~Copyable {
  private var bytes = Bytes()

  /// Keeps nothing where there is no next backend.
  package init(_ line: Line, for declining: Declining) {
    guard declining.isOn else { return }
    bytes = Bytes(capacity: line.bytes.count)
    bytes.append(line.bytes)
  }

  /// The line, without its end; empty once released.
  package var line: ByteSlice { bytes.slice }

  /// Its answer has begun.
  package mutating func release() { bytes.removeAll(keeping: 0) }
}

extension Output {
  /// Hands a request on to the next backend, and tells the operator why.
  package mutating func handOn(_ line: ByteSlice, of id: RequestID, status: Int) {
    bytes.append(line, "\n")
    var rid = id.text
    rid.withUTF8 { note(.info, "declined with status \(status)", rid: id.isBare ? nil : $0) }
  }
}
