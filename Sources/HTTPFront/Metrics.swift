// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import Records

/// What the front counts; its text for Prometheus is in MetricsText.swift.
///
/// The numbers go by the names of their samples, without their common beginning: `errors_total`, a tab, the label.
package struct Metrics {
  /// The bounds of the buckets of times.
  enum Histogram {
    /// In seconds: a cached model list takes milliseconds, a long answer minutes.
    static let bounds: [(seconds: Double, label: StaticString)] = [
      (0.005, "0.005"), (0.025, "0.025"), (0.1, "0.1"), (0.5, "0.5"), (1, "1"), (2.5, "2.5"), (5, "5"), (10, "10"),
      (30, "30"), (60, "60"), (120, "120"), (300, "300"), (600, "600"),
    ]

    case requestDuration, timeToFirstEvent

    var name: String {
      switch self {
      case .requestDuration: "request_duration_seconds"
      case .timeToFirstEvent: "time_to_first_event_seconds"
      }
    }
  }

  /// What nearly every answer counts in: found by name the first time only.
  private enum Usual: Hashable {
    case answered
    case request(route: String?, status: Int)
    /// A bucket, by its place; `microseconds` and `count` are no places.
    case time(Histogram, Int)
    case tokens(model: String, kind: Int)

    static let (microseconds, count) = (-1, -2)
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

  private let counters: Counters
  private var usual: [Usual: Counters.Sample] = [:]
  var cli = CLI.unknown
  var store: StoreGauges?

  /// Counts for this process alone.
  package init() {
    do throws(Failure) {
      counters = try Counters(path: nil)
    } catch {
      fatalError(error.message)
    }
  }

  /// Counts in a file that other processes count in too.
  ///
  /// - Throws: ``Failure`` where it can't be used.
  package init(file: String) throws(Failure) { counters = try Counters(path: file) }

  // MARK: Counting

  /// Counts an answer that has ended.
  ///
  /// - Parameters route: its path in the table; nil where there is none.
  /// - Parameters seconds, secondsToFirstEvent: of an answer of the pipeline's; nil for the front's own, which would
  ///   hide them.
  package mutating func add(
    route: String?, status: Int, seconds: Double?, secondsToFirstEvent: Double?, errorType: String?, account: Account
  ) {
    let counters = counters
    counters.change { table in
      count(.request(route: route, status: status), in: table) { Self.request(route, status, table) }
      count(.answered, in: table) { "answered" }
      if let seconds { add(seconds, to: .requestDuration, in: table) }
      if let secondsToFirstEvent { add(secondsToFirstEvent, to: .timeToFirstEvent, in: table) }
      if status == 429 { table.add(1, to: "rate_limited_total") }
      if let type = errorType ?? account.error ?? (status >= 400 ? APIError.type(of: status) : nil) {
        table.add(1, to: "failed")
        table.add(1, to: "errors_total\t" + Self.label("errors_total", type, table))
      }
      if let login = account.login { login.put(into: table) }
      for loss in account.loss { table.add(1, to: "loss_total\t" + Self.label("loss_total", loss.field, table)) }
      if account.moreLoss > 0 { table.add(account.moreLoss, to: "loss_total\tother") }
      guard account.tokens.contains(where: { $0 != nil }) else { return }
      let model = account.model.flatMap { Self.isPlain($0) ? $0 : nil } ?? "other"
      for (kind, count) in account.tokens.enumerated() {
        self.count(.tokens(model: model, kind: kind), count ?? 0, in: table) {
          "tokens_total\t\(Self.label("tokens_total", model, table))\t\(Account.kinds[kind].label)"
        }
      }
    }
  }

  private mutating func add(_ seconds: Double, to histogram: Histogram, in table: Counters.Table) {
    if let index = Histogram.bounds.firstIndex(where: { seconds <= $0.seconds }) {
      count(.time(histogram, index), in: table) { "\(histogram.name)\t\(index)" }
    }
    count(.time(histogram, Usual.microseconds), Int(seconds * 1e6), in: table) { histogram.name + "\tmicroseconds" }
    count(.time(histogram, Usual.count), in: table) { histogram.name + "\tcount" }
  }

  private mutating func count(_ key: Usual, _ count: Int = 1, in table: Counters.Table, named name: () -> String) {
    if let sample = usual[key] { return table.add(count, to: sample) }
    guard let sample = table.sample(name()) else { return }
    table.add(count, to: sample)
    // As many as there are labels, and no more where they run out.
    if usual.count < FrontLimits.maxUsualSamples { usual[key] = sample }
  }

  private static func request(_ route: String?, _ status: Int, _ table: Counters.Table) -> String {
    let path = route ?? "other"
    let pair = "\(path)|\(status)"
    let isCounted =
      label(
        "requests_total", pair, ofLength: FrontLimits.maxRoutePath + 4, most: FrontLimits.maxAnswerLabels, table)
      != "other"
    return isCounted ? "requests_total\t\(path)\t\(status)" : "requests_total\tother\tother"
  }

  /// Counts a pipeline started in the place of one that ended.
  func addRestart() { counters.change { $0.add(1, to: "pipeline_restarts_total") } }

  /// Says to the processes that share the counters how many requests are being answered here.
  func tell(inFlight: Int) { counters.tell(inFlight) }

  var answered: Int { counters.change { $0["answered"] ?? 0 } }
  var failed: Int { counters.change { $0["failed"] ?? 0 } }
  var restarts: Int { counters.change { $0["pipeline_restarts_total"] ?? 0 } }

  /// All numbers, and the requests in flight elsewhere.
  func snapshot() -> (numbers: [String: Int], inFlightElsewhere: Int) {
    (counters.change { $0.all }, counters.othersTold)
  }

  // MARK: Labels

  /// The label under which a value is counted: its own, as long as there are not too many; else `other`.
  private static func label(
    _ family: String, _ value: String, ofLength length: Int = FrontLimits.maxLabel,
    most: Int = FrontLimits.maxLabels, _ table: Counters.Table
  ) -> String {
    guard isPlain(value, ofLength: length), value != "other" else { return "other" }
    let (seen, number) = ("seen\t\(family)\t\(value)", "seen\t\(family)")
    if table[seen] != nil { return value }
    guard table[number] ?? 0 < most else { return "other" }
    table.add(1, to: seen)
    table.add(1, to: number)
    return value
  }

  /// Labels come from outside: what could break out of its quotes, or is longer than any name, is `other`.
  private static func isPlain(_ label: String, ofLength length: Int = FrontLimits.maxLabel) -> Bool {
    !label.isEmpty && label.utf8.count <= length
      && label.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
  }
}
