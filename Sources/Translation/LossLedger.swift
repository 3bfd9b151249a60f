// SPDX-License-Identifier: MIT
import Jansson
import Records

/// What of a request was not carried over exactly.
///
/// Each entry is `{"field":"temperature","fate":"clamped 1.7 to 1"}`; the first word of the fate is its kind.
struct LossLedger {
  private(set) var entries: [JSON] = []

  /// - Parameters:
  ///   - field: as the client wrote it, without indices: `messages.content.image_url.detail`.
  ///   - fate: `dropped`, `approximated: …`, `clamped A to B`.
  mutating func add(_ field: String, _ fate: String, isKnown: Bool = true) {
    let entry = JSON(object: ["field": JSON(field), "fate": JSON(fate), "unknown": isKnown ? nil : JSON(true)])
    // The same thing happening in many messages is one loss.
    if !entries.contains(entry) { entries.append(entry) }
  }

  /// Adds the entries of another ledger.
  mutating func add(_ other: LossLedger) {
    for entry in other.entries where !entries.contains(entry) { entries.append(entry) }
  }

  mutating func dropped(_ field: String) { add(field, "dropped") }

  mutating func approximated(_ field: String, _ how: String) { add(field, "approximated: \(how)") }

  /// The refusal that `--strict` makes of any loss.
  var refusal: APIError {
    let list = entries.map { ($0["field"]?.string ?? "") + " " + ($0["fate"]?.string ?? "") }
    return .invalid(
      "the request can't be translated exactly: " + list.joined(separator: "; "), param: entries.first?["field"]?.string
    )
  }
}
