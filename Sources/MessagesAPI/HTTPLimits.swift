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
  /// How many bytes of requests and answers are held at once: as many as http-frontd holds by itself.
  package var maxBuffered = 256 << 20

  package init() {}

  /// The longest event, as the longest body.
  package static let maxEvent = 32 << 20
  /// The longest answer that is no stream: what a record can carry.
  package static let maxBody = Limits.maxLine
  /// The longest body of an error; the API's are short.
  package static let maxErrorBody = 1 << 20
  /// The headers of an answer that are handed on, all together: what proxies in front commonly allow.
  package static let maxHeaders = 8 << 10
  /// The head of an answer with all that comes before and after it: earlier heads (103) and trailers. It is what later
  /// versions of libcurl allow.
  package static let maxHead = 300 << 10
  /// The line that begins a chunk, and all trailers of a body in chunks.
  package static let maxChunkLine = 4 << 10
  package static let maxTrailers = 16 << 10
  /// What may follow the end of a stream before its connection is closed: the last chunk, and trailers.
  package static let maxRest = 64 << 10
  /// The longest name of a model in a URL; the API's have about 30 bytes.
  package static let maxModelID = 256
  /// The longest list of betas, in bytes, and the longest name in it.
  package static let maxBetas = 2_048
  package static let maxBeta = 64
  /// Connections kept open for later requests: one for each stream that http-frontd lets in (`MAX_IN_FLIGHT`).
  package static let keptConnections = 4_096
  /// How long a connection may be idle and still be used, in seconds. Servers and load balancers close idle ones after 60
  /// seconds or more. A request that is sent as that happens fails, so ours are given up before.
  package static let keptTime = 50
  /// How long connections are not kept after the upstream has sent an answer that nobody asked for, in seconds: longer than
  /// ``keptTime``, so that none from before is used again.
  package static let surplusPause = 60
  /// How many look-ups of the upstream's name may hang: each has a thread until the system's resolver gives up.
  package static let maxLookups = 64
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
