// SPDX-License-Identifier: MIT
import JSONText

/// What an answer's `end` says of it, spliced from its message or its events.
struct Accounting: ~Copyable {
  private var model = Bytes()
  /// As the message had it.
  private var usage = Bytes()
  /// With what later reports said; nil before the first of them.
  private var members: Members?
  private var timeToFirst: Int?

  /// Takes a message, whole or as it is when it starts.
  ///
  /// - Parameter elapsed: milliseconds since the request came.
  mutating func take(message: ByteSlice, elapsed: Int) {
    if timeToFirst == nil { timeToFirst = elapsed }
    Scan.members(message) { key, value in
      if key.equals("model") {
        model.removeAll()
        model.append(value)
      } else if key.equals("usage"), value[0] == UInt8(ascii: "{") {
        usage.removeAll()
        usage.append(value)
        members = nil
      }
      return true
    }
  }

  /// Takes the usage of a `message_delta`: its members go over those that the message started with, except where
  /// they are null.
  mutating func take(usage later: ByteSlice) {
    guard later[0] == UInt8(ascii: "{") else { return }
    // Apart from the second report on: a stream may have as many of them as it has events.
    if members == nil {
      members = Members()
      Scan.members(usage.slice) { key, value in
        members!.set(key.text, value.text)
        return true
      }
    }
    Scan.members(later) { key, value in
      if !value.equals("null") || !members!.has(key.text) { members!.set(key.text, value.text) }
      return true
    }
  }

  /// The members of an object by their names, each once, in the order in which they were set.
  private struct Members {
    /// Nil where one was set again later.
    private var all: [(name: String, value: String)?] = []
    private var places: [String: Int] = [:]

    /// Whether there is such a member that is not null.
    func has(_ name: String) -> Bool { places[name].map { all[$0]?.value != "null" } ?? false }

    mutating func set(_ name: String, _ value: String) {
      if let earlier = places.updateValue(all.count, forKey: name) { all[earlier] = nil }
      all.append((name, value))
      guard all.count > 2 * places.count + 16 else { return }
      all.removeAll { $0 == nil }
      for (place, member) in all.enumerated() { places[member!.name] = place }
    }

    func append(to bytes: inout Bytes) {
      var isFirst = true
      bytes.append("{")
      for case let member? in all {
        bytes.append(isFirst ? "\"" : ",\"")
        isFirst = false
        bytes.append(text: member.name)
        bytes.append("\":")
        bytes.append(text: member.value)
      }
      bytes.append("}")
    }
  }

  /// Appends the payload of `end`.
  func append(to bytes: inout Bytes) {
    var isFirst = true
    func key(_ name: StaticString) {
      bytes.append(isFirst ? "{" : ",")
      isFirst = false
      bytes.append(name)
    }
    if !model.isEmpty {
      key(#""model":"#)
      bytes.append(model.slice)
    }
    if let members {
      key(#""usage":"#)
      members.append(to: &bytes)
    } else if !usage.isEmpty {
      key(#""usage":"#)
      bytes.append(usage.slice)
    }
    if let timeToFirst {
      key(#""ttft_ms":"#)
      bytes.append(decimal: timeToFirst)
    }
    bytes.append(isFirst ? "{}" : "}")
  }
}
