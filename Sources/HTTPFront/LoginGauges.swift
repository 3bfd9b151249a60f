// SPDX-License-Identifier: MIT
import JSONText

/// What an `end` record says of the limits of a login: `login_limit`.
package struct LoginGauges: Equatable {
  package struct Window: Equatable {
    /// The fraction that is used; above 1 where the plan lets requests pass its end.
    package var utilization: Double?
    /// Seconds since the epoch.
    package var resetsAt: Int?
  }

  /// By name, of ``names``.
  package var windows: [String: Window] = [:]
  /// One of ``statuses``.
  package var status: String?

  /// Labels come from fixed lists, else they are `other`.
  package static let names = [
    "five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet", "seven_day_overage_included", "overage", "other",
  ]
  package static let statuses = ["allowed", "allowed_warning", "rejected", "other"]

  /// Nil where there is nothing in it that can be shown.
  package init?(_ payload: ByteSlice) {
    status = Scan.plainString(Scan.member("status", of: payload)).map { Self.label($0, Self.statuses) }
    if let all = Scan.member("windows", of: payload) {
      Scan.members(all) { key, value in
        let name = Self.label(key, Self.names)
        let window = Window(
          utilization: Scan.member("utilization", of: value).flatMap { Double($0.text) }.flatMap {
            0...1_000 ~= $0 ? $0 : nil
          },
          resetsAt: Scan.member("resets_at", of: value).flatMap { Int($0.text) })
        // Of the unknown ones, the fullest.
        if let known = windows[name], (known.utilization ?? 0) >= (window.utilization ?? 0) { return true }
        if window != Window() { windows[name] = window }
        return true
      }
    }
    if windows.isEmpty, status == nil { return nil }
  }

  // MARK: Among the counters

  /// Replaces what the counters held of a login; what is not known is -1 there.
  func put(into table: Counters.Table) {
    for name in Self.names {
      let window = windows[name]
      table.set(window?.utilization.map { Int(($0 * 1e6).rounded()) } ?? -1, at: "login\t\(name)\tmillionths")
      table.set(window?.resetsAt ?? -1, at: "login\t\(name)\treset")
    }
    table.set(status.flatMap { Self.statuses.firstIndex(of: $0) } ?? -1, at: "login\tstatus")
  }

  /// What the counters hold; nil where no backend has said anything.
  init?(_ numbers: [String: Int]) {
    guard let status = numbers["login\tstatus"] else { return nil }
    if Self.statuses.indices.contains(status) { self.status = Self.statuses[status] }
    func known(_ name: String) -> Int? { numbers[name].flatMap { $0 < 0 ? nil : $0 } }
    for name in Self.names {
      let window = Window(
        utilization: known("login\t\(name)\tmillionths").map { Double($0) / 1e6 },
        resetsAt: known("login\t\(name)\treset"))
      if window != Window() { windows[name] = window }
    }
  }

  private static func label(_ text: ByteSlice, _ list: [String]) -> String {
    list.first { $0 == text.text } ?? "other"
  }
}
