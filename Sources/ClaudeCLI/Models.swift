// SPDX-License-Identifier: MIT
import JSONText
import Records

/// The models that the list names, as of November 2026.
///
/// The CLI takes any other name too, and the upstream judges it.
enum Models {
  /// In the API's own order, the newest first. A date is given where the vendor's own id carries it; else it is the
  /// day of this table.
  private static let table: [(id: String, name: String, created: String)] = [
    ("claude-fable-5-2", "Claude Fable 5.2", tableDate),
    ("claude-opus-5-5", "Claude Opus 5.5", tableDate),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", tableDate),
    ("claude-haiku-5-5", "Claude Haiku 5.5", tableDate),
    ("claude-fable-5-1", "Claude Fable 5.1", tableDate),
    ("claude-fable-5", "Claude Fable 5", tableDate),
    ("claude-opus-5", "Claude Opus 5", tableDate),
    ("claude-sonnet-5", "Claude Sonnet 5", tableDate),
    ("claude-opus-4-8", "Claude Opus 4.8", tableDate),
    ("claude-opus-4-7", "Claude Opus 4.7", tableDate),
    ("claude-opus-4-6", "Claude Opus 4.6", tableDate),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6", tableDate),
    ("claude-opus-4-5-20251101", "Claude Opus 4.5", "2025-11-01T00:00:00Z"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-01T00:00:00Z"),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29T00:00:00Z"),
  ]

  private static let tableDate = "2026-11-22T00:00:00Z"

  static func appendList(to bytes: inout Bytes) {
    bytes.append(#"{"data":["#)
    for index in table.indices {
      if index > 0 { bytes.append(",") }
      append(index, to: &bytes)
    }
    bytes.append(#"],"has_more":false,"first_id":"#)
    bytes.append(quoted: table.first!.id)
    bytes.append(#","last_id":"#)
    bytes.append(quoted: table.last!.id)
    bytes.append("}")
  }

  /// Where a model stands in the table, by its id or by its id without the date.
  static func index(of id: String) throws(APIError) -> Int {
    if let index = table.firstIndex(where: { $0.id == id || $0.id.hasPrefix(id + "-202") }) { return index }
    throw APIError(status: 404, "model: \(id)", param: "model")
  }

  static func append(_ index: Int, to bytes: inout Bytes) {
    let model = table[index]
    bytes.append(#"{"type":"model","id":"#)
    bytes.append(quoted: model.id)
    bytes.append(#","display_name":"#)
    bytes.append(quoted: model.name)
    bytes.append(#","created_at":"#)
    bytes.append(quoted: model.created)
    bytes.append("}")
  }
}
