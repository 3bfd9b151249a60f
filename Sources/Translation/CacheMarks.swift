// SPDX-License-Identifier: MIT
import Jansson
import Records

/// Brings a request's cache marks to what the Messages API takes: at most four, none on thinking, and none that lives
/// for an hour after one that lives for five minutes.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>
struct CacheMarks {
  private struct Place {
    var block: JSON
    var field: String
  }

  /// The marked blocks in the order of the prompt: tools, system, messages.
  private var places: [Place] = []
  private(set) var loss = LossLedger()
  private let whole: JSON?

  /// Whether the request has any.
  var isEmpty: Bool { places.isEmpty && whole == nil }

  /// Corrects the marks of a body that is otherwise done.
  ///
  /// Blocks may be the request's own: its tree belongs to the translator, and nobody reads it after this.
  ///
  /// - Parameter isInContent: some block of the messages or the system text may have one.
  init(correcting body: JSON, isInContent: Bool, _ names: FieldNames) {
    whole = body["cache_control"].flatMap { $0.isNull ? nil : $0 }
    if let tools = body["tools"] {
      for tool in tools.elements { find(in: tool, "tools.cache_control") }
    }
    if isInContent {
      for block in (body["system"] ?? .null).elements { find(in: block, "system.cache_control") }
      for message in (body["messages"] ?? .null).elements {
        for block in (message["content"] ?? .null).elements { find(in: block, "\(names.content).cache_control") }
      }
    }
    guard !places.isEmpty else { return }
    // One for the whole request is set by the API itself, on the last block.
    let room = TranslationLimits.maxCacheMarks - (whole == nil ? 0 : 1)
    for place in places.dropLast(room) {
      place.block["cache_control"] = nil
      loss.add(place.field, "dropped, since the API takes \(TranslationLimits.maxCacheMarks) cache marks")
    }
    places = places.suffix(room)
    raiseLifetimes()
  }

  /// The API refuses a mark on thinking, and on text without text.
  static func mayStand(on block: JSON) -> Bool {
    guard let type = block["type"] else { return true }
    if type.equals("text") { return block["text"]?.hasVisibleText == true }
    return !type.equals("thinking") && !type.equals("redacted_thinking")
  }

  private mutating func find(in block: JSON, _ field: String) {
    // What is inside a block comes before its end.
    if let content = block["content"], content.isArray {
      for part in content.elements { find(in: part, field) }
    }
    if let content = block["source"]?["content"], content.isArray {
      for part in content.elements { find(in: part, field) }
    }
    guard let mark = block["cache_control"], !mark.isNull else { return }
    if Self.mayStand(on: block), mark.isObject {
      places.append(Place(block: block, field: field))
    } else {
      block["cache_control"] = nil
      loss.dropped(field)
    }
  }

  /// The API refuses an hour after five minutes; what was to be kept for an hour still is.
  private mutating func raiseLifetimes() {
    var isLong = whole.map(Self.isLong) ?? false
    for place in places.reversed() {
      guard let mark = place.block["cache_control"] else { continue }
      if Self.isLong(mark) {
        isLong = true
      } else if isLong {
        place.block["cache_control"] = JSON(object: ["type": JSON("ephemeral"), "ttl": JSON("1h")])
        loss.approximated(place.field, "a cache mark before one of an hour is sent as one of an hour")
      }
    }
  }

  private static func isLong(_ mark: JSON) -> Bool { mark["ttl"]?.equals("1h") == true }
}
