// SPDX-License-Identifier: MIT
import Records

/// What bounds the work, in one place. Times are in seconds, sizes in bytes.
package struct HTTPLimits: Sendable {
  /// Until a connection stands, TLS included.
  package var connectTimeout = 10
  /// Until an answer begins, if it is streamed; nil for as long as it may be silent later.
  package var firstByteTimeout: Int?
  /// That the upstream may be silent: twice what load balancers commonly allow. The API sends pings.
  package var idleTimeout = 120
  /// For a whole answer: the SDKs' own limit.
  package var requestTimeout = 600
  /// How often a request is tried again: not at all, since the clients' SDKs do it themselves.
  package var maxRetries = 0

  package init() {}

  /// The longest event, as the longest body.
  package static let maxEvent = 32 << 20
  /// The longest answer that is no stream: what a record can carry.
  package static let maxBody = Limits.maxLine
  /// The longest body of an error; the API's are short.
  package static let maxErrorBody = 1 << 20
  /// The headers of an answer that are handed on, all together: what proxies in front commonly allow.
  package static let maxHeaders = 8 << 10
  /// The longest list of betas, in bytes, and the longest name in it.
  package static let maxBetas = 2_048
  package static let maxBeta = 64
  /// Connections kept open for later requests: one for each stream that http-frontd lets in (`MAX_IN_FLIGHT`).
  package static let keptConnections = 4_096
  /// Streams on one HTTP/2 connection, where the server allows as many: nginx's own limit, and most others'.
  package static let maxStreams = 128
  /// The file of a key: many times as long as one.
  package static let maxKeyFile = 64 << 10
  /// Until a request is tried again, in milliseconds, where the upstream doesn't say: the first time, doubled each time
  /// up to the last; and the longest that it may say, or the error goes to the client. As the vendor's SDKs do.
  package static let firstRetryWait = 500
  package static let lastRetryWait = 8_000
  package static let maxRetryWait = 60_000
  /// libcurl handles kept for later requests: enough for a burst; each holds some KiB.
  package static let keptHandles = 64
  /// From this size on, in bytes, a body is handed to libcurl piece by piece and freed when it has been sent.
  /// Shorter ones go out in one write with the head (libcurl's MAX_INITIAL_POST_SIZE is 64 KiB).
  package static let pieceBodies = 64 << 10
}
