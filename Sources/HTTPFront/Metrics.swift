// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import Records

/// What the front counts, and its text for Prometheus.
///
/// - SeeAlso: <https://prometheus.io/docs/instrumenting/exposition_formats/>
package struct Metrics {
  /// Counts by the value of a label, with a bound on how many values there may be.
  struct Labelled {
    private(set) var counts: [String: Int] = [:]

    mutating func add(_ count: Int, _ label: String) {
      let isKnown = counts[label] != nil
      counts[isKnown || (counts.count < FrontLimits.maxLabels && Self.isPlain(label)) ? label : "other", default: 0] +=
        count
    }

    /// Labels come from outside: what could break out of its quotes, or is longer than any name, is `other`.
    static func isPlain(_ label: String) -> Bool {
      !label.isEmpty && label.utf8.count <= 64
        && label.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }
  }

  /// How often a time fell below each bound.
  struct Histogram {
    /// In seconds: a cached model list takes milliseconds, a long answer minutes.
    static let bounds: [(seconds: Double, label: StaticString)] = [
      (0.005, "0.005"), (0.025, "0.025"), (0.1, "0.1"), (0.5, "0.5"), (1, "1"), (2.5, "2.5"), (5, "5"), (10, "10"),
      (30, "30"), (60, "60"), (120, "120"), (300, "300"), (600, "600"),
    ]
    private(set) var counts = [Int](repeating: 0, count: bounds.count)
    private(set) var sum = 0.0
    private(set) var count = 0

    mutating func add(_ seconds: Double) {
      if let index = Self.bounds.firstIndex(where: { seconds <= $0.seconds }) { counts[index] += 1 }
      sum += seconds
      count += 1
    }
  }

  /// Whether the CLI can be used, as the pipeline's last health answer said.
  enum CLI: Equatable {
    case usable, unusable
    /// The backend needs none, or hasn't said.
    case unknown

    init(health body: ByteBuffer?) {
      self = .unknown
      body?.withUnsafeReadableBytes { bytes in
        let report = bytes.assumingMemoryBound(to: UInt8.self)
        guard let isThere = Scan.member("claude_cli_available", of: report) else { return }
        let isWell = Scan.member("error", of: report) == nil
        if isThere.equals("true") {
          self = isWell ? .usable : .unusable
        } else if !isWell {
          self = .unusable
        }
      }
    }
  }

  private struct Answered: Hashable {
    var route: Int?
    var status: Int
  }

  private var requests: [Answered: Int] = [:]
  private var errors = Labelled()
  private var losses = Labelled()
  /// By model, the counts by kind.
  private var models = Labelled()
  private var tokens: [String: [Int]] = [:]
  private var durations = Histogram()
  private var firstEvents = Histogram()
  private(set) var answered = 0
  private(set) var failed = 0
  package var restarts = 0
  private var rateLimited = 0
  private var login: LoginGauges?
  var cli = CLI.unknown

  package init() {}

  /// Counts an answer that has ended.
  ///
  /// - Parameters seconds, secondsToFirstEvent: of an answer of the pipeline's; nil for the front's own, which would
  ///   hide them.
  package mutating func add(
    route: Int?, status: Int, seconds: Double?, secondsToFirstEvent: Double?, errorType: String?, account: Account
  ) {
    requests[Answered(route: route, status: status), default: 0] += 1
    answered += 1
    if let seconds { durations.add(seconds) }
    if let secondsToFirstEvent { firstEvents.add(secondsToFirstEvent) }
    if status == 429 { rateLimited += 1 }
    if let known = account.login { login = known }
    if let type = errorType ?? account.error ?? (status >= 400 ? APIError.type(of: status) : nil) {
      failed += 1
      errors.add(1, type)
    }
    for loss in account.loss { losses.add(1, loss.field) }
    guard account.tokens.contains(where: { $0 != nil }) else { return }
    var model = account.model ?? "other"
    models.add(1, model)
    if models.counts[model] == nil { model = "other" }
    let counted = tokens[model] ?? account.tokens.map { _ in 0 }
    tokens[model] = zip(counted, account.tokens).map { $0 + ($1 ?? 0) }
  }

  // MARK: Text

  package func text(inFlight: Int) -> String {
    var text = Bytes()
    text.family("requests_total", "counter", "Requests answered, by route and status.")
    for (key, count) in requests.sorted(by: {
      ($0.key.route ?? -1, $0.key.status) < ($1.key.route ?? -1, $1.key.status)
    }
    ) {
      let route = key.route.map { Route.table[$0].path } ?? "other"
      text.sample("requests_total", [("route", route), ("status", String(key.status))], String(count))
    }
    text.family("request_duration_seconds", "histogram", "Time from an API request's head to the end of its answer.")
    text.histogram("request_duration_seconds", durations)
    text.family(
      "time_to_first_event_seconds", "histogram", "Time from an API request's head to the first of its answer.")
    text.histogram("time_to_first_event_seconds", firstEvents)
    text.family("errors_total", "counter", "Requests that ended with an error, by its type.")
    text.samples("errors_total", "type", errors)
    text.family("tokens_total", "counter", "Tokens that upstream counted, by model and kind.")
    for (model, counts) in tokens.sorted(by: { $0.key < $1.key }) {
      for (kind, count) in zip(Account.kinds, counts) {
        text.sample("tokens_total", [("model", model), ("kind", kind.label)], String(count))
      }
    }
    text.family("in_flight", "gauge", "Requests that are being answered.")
    text.sample("in_flight", [], String(inFlight))
    text.family("pipeline_restarts_total", "counter", "Pipelines started in the place of one that ended.")
    text.sample("pipeline_restarts_total", [], String(restarts))
    text.family("claude_cli_status", "gauge", "Whether the Claude CLI can be used; nothing where none is needed.")
    if cli != .unknown { text.sample("claude_cli_status", [], cli == .usable ? "1" : "0") }
    text.family("rate_limited_total", "counter", "Requests answered with 429.")
    text.sample("rate_limited_total", [], String(rateLimited))
    text.family("loss_total", "counter", "Fields that had no counterpart in translation, by their name.")
    text.samples("loss_total", "field", losses)
    if let login { text.append(login) }
    return text.text
  }
}

extension Bytes {
  fileprivate mutating func family(_ name: StaticString, _ type: StaticString, _ help: StaticString) {
    for (keyword, value) in [("# HELP claude_proxy_", help), ("# TYPE claude_proxy_", type)]
      as [(StaticString, StaticString)]
    {
      append(keyword)
      append(name)
      append(" ")
      append(value)
      append("\n")
    }
  }

  /// The labels are plain: none needs escaping.
  fileprivate mutating func sample(
    _ name: StaticString, suffix: StaticString = "", _ labels: [(name: StaticString, value: String)], _ value: String
  ) {
    append("claude_proxy_")
    append(name)
    append(suffix)
    for (index, label) in labels.enumerated() {
      append(index == 0 ? "{" : ",")
      append(label.name)
      append("=\"")
      append(text: label.value)
      append("\"")
    }
    append(labels.isEmpty ? " " : "} ")
    append(text: value)
    append("\n")
  }

  /// What the backend last said of its login.
  fileprivate mutating func append(_ login: LoginGauges) {
    let windows = LoginGauges.names.compactMap { name in login.windows[name].map { (name, $0) } }
    family("login_limit_utilization", "gauge", "The part of the login's window that is used, by window.")
    for (name, window) in windows {
      if let used = window.utilization { sample("login_limit_utilization", [("window", name)], String(used)) }
    }
    family("login_limit_reset_timestamp_seconds", "gauge", "When the login's window begins anew, by window.")
    for (name, window) in windows {
      guard let time = window.resetsAt else { continue }
      sample("login_limit_reset_timestamp_seconds", [("window", name)], String(time))
    }
    guard let status = login.status else { return }
    family("login_limit_status", "gauge", "1 for what the login's limits say of requests now, 0 for the rest.")
    for each in LoginGauges.statuses {
      sample("login_limit_status", [("status", each)], each == status ? "1" : "0")
    }
  }

  fileprivate mutating func samples(_ name: StaticString, _ label: StaticString, _ counts: Metrics.Labelled) {
    for (value, count) in counts.counts.sorted(by: { $0.key < $1.key }) {
      sample(name, [(label, value)], String(count))
    }
  }

  fileprivate mutating func histogram(_ name: StaticString, _ histogram: Metrics.Histogram) {
    var below = 0
    for (bound, count) in zip(Metrics.Histogram.bounds, histogram.counts) {
      below += count
      sample(name, suffix: "_bucket", [("le", bound.label.description)], String(below))
    }
    sample(name, suffix: "_bucket", [("le", "+Inf")], String(histogram.count))
    sample(name, suffix: "_sum", [], String(histogram.sum))
    sample(name, suffix: "_count", [], String(histogram.count))
  }
}
