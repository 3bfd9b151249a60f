// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// What the CLI last said of its login: how full the windows of the plan are, and whether requests pass.
///
/// The CLI tells it where something has moved, often behind the end of an answer; so it is kept, and each `end` says
/// what is known by then.
package final class LoginLimit {
  /// `{"status","window","resets_at","windows":{NAME:{"utilization","resets_at","status"}}}`, without what the CLI left
  /// out; nil until it said something. Utilization is a fraction, times are seconds since the epoch.
  package private(set) var summary: JSON?

  package init() {}

  /// Takes the inside of a `rate_limit_info`; what is not of its known type is left out.
  package func take(_ info: ByteSlice) {
    guard let info = try? JSON.parse(info), info.isObject else { return }
    let name = Self.text(info["rateLimitType"])
    let windows = JSON.object
    for (key, window) in info["unifiedWindows"]?.members ?? JSON.object.members where window.isObject {
      windows[key] = Self.window(window)
    }
    // An older CLI tells of the window alone that limits.
    if let name = name?.string, windows[name] == nil { windows[name] = Self.window(info) }
    summary = JSON(object: [
      "status": Self.text(info["status"]), "window": name, "resets_at": Self.number(info["resetsAt"]),
      "windows": windows,
    ])
  }

  private static func window(_ value: JSON) -> JSON {
    JSON(object: [
      "utilization": number(value["utilization"]), "resets_at": number(value["resetsAt"]),
      "status": text(value["status"]),
    ])
  }

  private static func text(_ value: JSON?) -> JSON? { value?.isString == true ? value : nil }
  private static func number(_ value: JSON?) -> JSON? { value?.number == nil ? nil : value }
}
