// SPDX-License-Identifier: MIT
import JSONText
import Logs

extension Metrics {
  /// The text for Prometheus.
  ///
  /// - SeeAlso: <https://prometheus.io/docs/instrumenting/exposition_formats/>
  /// - Parameter inFlight: the requests that are being answered here.
  package func text(inFlight: Int) -> String {
    let (numbers, inFlightElsewhere) = snapshot()
    var text = Bytes()
    text.family("requests_total", "counter", "Requests answered, by route and status.")
    text.samples("requests_total", ["route", "status"], numbers)
    text.family("request_duration_seconds", "histogram", "Time from an API request's head to the end of its answer.")
    text.histogram("request_duration_seconds", numbers)
    text.family(
      "time_to_first_event_seconds", "histogram", "Time from an API request's head to the first of its answer.")
    text.histogram("time_to_first_event_seconds", numbers)
    text.family("errors_total", "counter", "Requests that ended with an error, by its type.")
    text.samples("errors_total", ["type"], numbers)
    text.family("tokens_total", "counter", "Tokens that upstream counted, by model and kind.")
    text.samples("tokens_total", ["model", "kind"], numbers)
    text.family("in_flight", "gauge", "Requests that are being answered.")
    text.sample("in_flight", [], String(inFlight + inFlightElsewhere))
    text.family("pipeline_restarts_total", "counter", "Pipelines started in the place of one that ended.")
    text.sample("pipeline_restarts_total", [], String(numbers["pipeline_restarts_total"] ?? 0))
    text.family("log_dropped_total", "counter", "Lines that this process left out of its log, as nobody read them.")
    text.sample("log_dropped_total", [], String(Log.dropped))
    text.family("claude_cli_status", "gauge", "Whether the Claude CLI can be used; nothing where none is needed.")
    if cli != .unknown { text.sample("claude_cli_status", [], cli == .usable ? "1" : "0") }
    if let store {
      text.family("responses_store_up", "gauge", "1 if responses can be kept, else 0; missing if the store is off.")
      text.sample("responses_store_up", [], store.isWell ? "1" : "0")
      text.family("responses_stored", "gauge", "The number of kept responses.")
      if let count = store.responses { text.sample("responses_stored", [], String(count)) }
      text.family("responses_store_bytes", "gauge", "The size of the kept responses, in bytes.")
      if let bytes = store.bytes { text.sample("responses_store_bytes", [], String(bytes)) }
    }
    text.family("rate_limited_total", "counter", "Requests answered with 429.")
    text.sample("rate_limited_total", [], String(numbers["rate_limited_total"] ?? 0))
    text.family("loss_total", "counter", "Fields that had no counterpart in translation, by their name.")
    text.samples("loss_total", ["field"], numbers)
    if let login = LoginGauges(numbers) { text.append(login) }
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

  /// All of a family's, by their labels.
  fileprivate mutating func samples(_ name: StaticString, _ labels: [StaticString], _ numbers: [String: Int]) {
    for (key, number) in numbers.sorted(by: { $0.key < $1.key }) where key.hasPrefix(name.description + "\t") {
      let values = key.split(separator: "\t").dropFirst()
      sample(name, Array(zip(labels, values.map(String.init))), String(number))
    }
  }

  fileprivate mutating func histogram(_ name: StaticString, _ numbers: [String: Int]) {
    var below = 0
    for (index, bound) in Metrics.Histogram.bounds.enumerated() {
      below += numbers["\(name)\t\(index)"] ?? 0
      sample(name, suffix: "_bucket", [("le", bound.label.description)], String(below))
    }
    // A process that died within its look may have left the one without the other.
    let count = max(below, numbers["\(name)\tcount"] ?? 0)
    sample(name, suffix: "_bucket", [("le", "+Inf")], String(count))
    sample(name, suffix: "_sum", [], String(Double(numbers["\(name)\tmicroseconds"] ?? 0) / 1e6))
    sample(name, suffix: "_count", [], String(count))
  }
}
