// SPDX-License-Identifier: MIT
import JSONText

/// What an answer's `end` says of it, spliced from its message or its events.
struct Accounting: ~Copyable {
  private var model = Bytes()
  private var usage = Bytes()
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
      }
      return true
    }
  }

  /// Takes the usage of a `message_delta`: its members go over those that the message started with, except where
  /// they are null.
  mutating func take(usage later: ByteSlice) {
    guard later[0] == UInt8(ascii: "{") else { return }
    var merged = Bytes(capacity: usage.count + later.count)
    func put(_ key: ByteSlice, _ value: ByteSlice) {
      merged.append(merged.isEmpty ? "{" : ",")
      merged.append("\"")
      merged.append(key)
      merged.append("\":")
      merged.append(value)
    }
    Scan.members(usage.slice) { key, value in
      if Self.member(key, of: later) == nil { put(key, value) }
      return true
    }
    Scan.members(later) { key, value in
      if !value.equals("null") || Self.member(key, of: usage.slice) == nil { put(key, value) }
      return true
    }
    merged.append(merged.isEmpty ? "{}" : "}")
    usage = merged.take()
  }

  /// The member of that name; nil where it isn't there or is null.
  private static func member(_ name: ByteSlice, of object: ByteSlice) -> ByteSlice? {
    var found: ByteSlice?
    Scan.members(object) { key, value in
      guard key.equals(name) else { return true }
      if !value.equals("null") { found = value }
      return false
    }
    return found
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
    if !usage.isEmpty {
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
