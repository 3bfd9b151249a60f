// SPDX-License-Identifier: MIT
import NIOCore

/// What a connection waits for from its client, and since when.
enum Awaited {
  /// The first byte of a request.
  case request
  /// The rest of a head.
  case head
  /// More of a body.
  case body
  /// Nothing: it is the client that waits.
  case nothing
  /// That the client takes its last answer, before anything else is done for it.
  case taking
}

extension Connection {
  /// Ends the connection of a client that was waited for long enough.
  func checkPatience(_ now: NIODeadline) {
    let settings = front.settings
    // Its last answer may never be taken.
    switch isClosing ? .taking : awaited {
    case .nothing: return
    case .request, .taking:
      checkTaken()
      if now - awaitedSince > settings.idleTimeout { context?.close(promise: nil) }
    case .head: if now - awaitedSince > settings.headerTimeout { giveUp(.slowHead) }
    case .body: if now - awaitedSince > settings.bodyTimeout { giveUp(.slowBody) }
    }
  }
}
