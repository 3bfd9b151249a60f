// SPDX-License-Identifier: MIT
import CJansson
import Glibc
import JSONText

extension Bytes {
  /// Appends a value as compact JSON text.
  ///
  /// Reals are written as the shortest text that reads back the same, which Jansson's own dumper doesn't do (0.7
  /// comes out as 0.69999999999999996); all else is as Jansson writes it with `JSON_COMPACT`.
  package mutating func append(_ value: JSON) {
    append(node: value.raw, releasing: false)
  }

  /// The same, and frees each part as soon as it is written: a large tree and its text are not in memory together.
  package mutating func append(consuming value: consuming JSON) {
    append(node: value.raw, releasing: true)
  }

  /// - Parameter releasing: frees each part that nobody else holds when it is written.
  private mutating func append(node: UnsafeMutablePointer<json_t>, releasing: Bool) {
    let releasing = releasing && node.pointee.refcount == 1
    switch node.pointee.type {
    case JSON_OBJECT:
      append(UInt8(ascii: "{"))
      var at = json_object_iter(node)
      var isFirst = true
      while let here = at {
        if !isFirst { append(UInt8(ascii: ",")) }
        isFirst = false
        append(
          quoted: ByteSlice(
            start: UnsafeRawPointer(json_object_iter_key(here)!).assumingMemoryBound(to: UInt8.self),
            count: json_object_iter_key_len(here)))
        append(UInt8(ascii: ":"))
        append(node: json_object_iter_value(here), releasing: releasing)
        if releasing { json_object_iter_set_new(node, here, json_null()) }
        at = json_object_iter_next(node, here)
      }
      append(UInt8(ascii: "}"))
    case JSON_ARRAY:
      append(UInt8(ascii: "["))
      for index in 0..<json_array_size(node) {
        if index > 0 { append(UInt8(ascii: ",")) }
        append(node: json_array_get(node, index), releasing: releasing)
        if releasing { json_array_set_new(node, index, json_null()) }
      }
      append(UInt8(ascii: "]"))
    case JSON_STRING:
      let text = stringBytes(node)!
      if let lent = LentString.read(text) {
        append(UInt8(ascii: "\""))
        append(lent)
        append(UInt8(ascii: "\""))
      } else if let digits = BigInteger.read(node) {
        append(digits)
      } else {
        append(quoted: text)
      }
    case JSON_INTEGER: append(decimal: Int(json_integer_value(node)))
    case JSON_REAL: append(text: json_real_value(node).description)
    case JSON_TRUE: append("true")
    case JSON_FALSE: append("false")
    default: append("null")
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

  /// The value as Jansson's own dumper writes it: the reference for the other one.
  package var referenceText: String {
    guard let text = json_dumps(raw, Int(JSON_COMPACT | JSON_ENCODE_ANY)) else { return "" }
    defer { free(text) }
    return String(cString: text)
  }
}
