// SPDX-License-Identifier: MIT
import JSONText

extension Bytes {
  /// Appends a value as compact JSON text.
  ///
  /// Reals are written as the shortest text that reads back the same, which Jansson's own dumper doesn't do (0.7
  /// comes out as 0.69999999999999996); all else is as Jansson writes it with `JSON_COMPACT`.
  package mutating func append(_ json: JSON) {
    append(value: json.value)
    withExtendedLifetime(json) {}
  }

  /// Appends a value as compact JSON text, and frees each part of it that nobody else holds as soon as it is written.
  ///
  /// So a large tree and its text don't stand in memory whole beside each other.
  package mutating func append(consuming json: consuming JSON) {
    let value = json.value
    value.retain()
    drop(json)
    append(releasing: value)
  }

  private func drop(_: consuming JSON) {}

  private mutating func append(releasing value: Value) {
    guard value.hasBlock, value.isHeldOnce else {
      append(value: value)
      return value.release()
    }
    switch value.tag {
    case .object:
      append(UInt8(ascii: "{"))
      var isFirst = true
      ObjectBlock.consume(value.block) { member in
        if !isFirst { append(UInt8(ascii: ",")) }
        isFirst = false
        append(string: member.key)
        member.key.release()
        append(UInt8(ascii: ":"))
        append(releasing: member.value)
      }
      append(UInt8(ascii: "}"))
    case .array:
      append(UInt8(ascii: "["))
      var isFirst = true
      ArrayBlock.consume(value.block) { element in
        if !isFirst { append(UInt8(ascii: ",")) }
        isFirst = false
        append(releasing: element)
      }
      append(UInt8(ascii: "]"))
    default:
      append(value: value)
      value.release()
    }
  }

  private mutating func append(value: Value) {
    switch value.tag {
    case .object:
      append(UInt8(ascii: "{"))
      let object = value.block.assumingMemoryBound(to: ObjectBlock.self)
      if let members = object.pointee.members {
        var isFirst = true
        for place in 0..<Int(object.pointee.used) where members[place].key.tag != .removed {
          if !isFirst { append(UInt8(ascii: ",")) }
          isFirst = false
          append(string: members[place].key)
          append(UInt8(ascii: ":"))
          append(value: members[place].value)
        }
      }
      append(UInt8(ascii: "}"))
    case .array:
      append(UInt8(ascii: "["))
      let array = value.block.assumingMemoryBound(to: ArrayBlock.self)
      if let values = array.pointee.values {
        for index in 0..<Int(array.pointee.count) {
          if index > 0 { append(UInt8(ascii: ",")) }
          append(value: values[index])
        }
      }
      append(UInt8(ascii: "]"))
    case .short, .lent, .owned: append(string: value)
    case .lentInteger, .ownedInteger: value.withText { append($0) }
    case .integer: append(decimal: Int(Int64(bitPattern: value.word)))
    case .real: append(text: Double(bitPattern: value.word).description)
    case .isTrue: append("true")
    case .isFalse: append("false")
    case .null, .removed: append("null")
    }
  }

  @inline(__always)
  private mutating func append(string value: Value) {
    let isLent = value.tag == .lent
    value.withText { text in
      guard isLent else { return append(quoted: text) }
      reserve(text.count + 2)
      append(UInt8(ascii: "\""))
      append(text)
      append(UInt8(ascii: "\""))
    }
  }
}

extension JSON {
  /// The value as compact JSON text.
  package var text: String {
    var bytes = Bytes()
    bytes.append(self)
    return bytes.text
  }
}
