// SPDX-License-Identifier: MIT
import Addresses
import JSONText
import Records

/// Lets a request pass, or answers it with 429; the headers of both.
///
/// Whose request it is and what time it is stand in the ctx: `http.key` (the name of the client's token), else the
/// address in `http.peer`, and `http.time`. IPv6 addresses of one network of 64 bits count as one client. A request without a time, such as one typed by hand, passes.
package struct RateLimiter: RecordFilter {
  package static let side = Side.request

  /// How much may pass.
  package struct Rule: Sendable {
    /// Requests a minute; 0 lets everything pass.
    package var requests: Int
    /// How many may come at once.
    package var burst: Int

    /// What both may be: beyond it, no whole number of microseconds stands for a token, or the sum of a full bucket's
    /// tokens is no time.
    package static let mostRequests = 60_000_000
    package static let mostBurst = 1_000_000

    package init(requests: Int, burst: Int) {
      self.requests = requests
      self.burst = burst
    }
  }

  /// The times that are taken, in microseconds since the epoch; a request with another counts as one without.
  private static let times = 0...(1 << 60)

  private let rule: Rule
  private let exempt: Exemptions
  private var buckets: BucketFile

  package init(_ rule: Rule, exempt: Exemptions, buckets: BucketFile) {
    self.rule = rule
    self.exempt = exempt
    self.buckets = buckets
  }

  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    guard line.kind == .request, rule.requests > 0, Operation(of: line.ctx) != .health,
      let http = line.ctx.flatMap({ Scan.member("http", of: $0) }),
      let now = Scan.member("time", of: http).flatMap({ Int($0.text) }), Self.times.contains(now),
      let caller = caller(http)
    else { return out.forward(line) }

    let verdict = buckets.take(caller, at: now, rule)
    let headers: [(name: String, value: String)] = [
      ("x-ratelimit-limit", String(rule.requests)), ("x-ratelimit-remaining", String(verdict.remaining)),
      ("x-ratelimit-reset", String(verdict.reset)),
    ]
    guard verdict.passes else {
      let retry = [("retry-after", String(verdict.retryAfter))]
      out.error(
        APIError(
          status: 429, "This proxy allows \(rule.requests) requests a minute; try again in \(verdict.retryAfter) s.",
          headers: headers + retry),
        of: line.rid, isBare: line.isBare, ctx: line.ctx)
      return out.end(line.rid, isBare: line.isBare)
    }
    var ctx = Bytes()
    let earlier = line.ctx.flatMap { Scan.member("headers", of: $0) }
    ctx.append(object: line.ctx, setting: "headers") { bytes in
      var made = Bytes()
      made.append(headers: headers)
      guard let earlier, earlier.count > 2 else { return bytes.append(made.slice) }
      bytes.append(earlier.cut(0, earlier.count - 1))
      bytes.append(",")
      bytes.append(made.slice.cut(1, made.count))
    }
    out.record(.request, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { $0.append(line.payload) }
  }

  /// Whose bucket it is; nil for those who aren't limited.
  private func caller(_ http: ByteSlice) -> String? {
    if let key = Scan.plainString(Scan.member("key", of: http)), !key.isEmpty {
      return exempt.covers(key: key.text) ? nil : "key:" + key.text
    }
    // A peer that is missing or can't be read is unknown, and limited: nothing that a client sends makes it exempt.
    let peer = Peer(Scan.plainString(Scan.member("peer", of: http))?.text ?? "")
    return exempt.covers(peer) ? nil : "peer:" + peer.client
  }
}
