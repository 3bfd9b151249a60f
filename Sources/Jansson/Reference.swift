// SPDX-License-Identifier: MIT
import CJansson
import Glibc
import JSONText

/// Jansson's own lexer and dumper: the reference that ours are held to by tests.
extension JSON {
  /// Parses by Jansson's lexer.
  package static func parseReference(_ text: ByteSlice) throws(JSONError) -> JSON {
    var error = json_error_t()
    let flags = Int(JSON_DECODE_ANY | JSON_ALLOW_NUL)
    let root = text.withMemoryRebound(to: CChar.self) {
      json_loadb($0.baseAddress ?? UnsafePointer(bitPattern: 1)!, $0.count, flags, &error)
    }
    guard let root else {
      let reason = withUnsafeBytes(of: error.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw JSONError(offset: Int(error.position), reason: reason)
    }
    defer { json_decref(root) }
    return JSON(of: root)
  }

  /// The value as Jansson's own dumper writes it.
  package var referenceText: String {
    let root = janssonTree
    defer { json_decref(root) }
    guard let text = json_dumps(root, Int(JSON_COMPACT | JSON_ENCODE_ANY)) else { return "" }
    defer { Glibc.free(text) }
    return String(cString: text)
  }

  /// A tree of the same values as one of Jansson's.
  private init(of node: UnsafeMutablePointer<json_t>) {
    switch node.pointee.type {
    case JSON_OBJECT:
      self = .object
      var at = json_object_iter(node)
      while let here = at {
        let key = UnsafeRawBufferPointer(start: json_object_iter_key(here), count: json_object_iter_key_len(here))
        self[String(decoding: key, as: UTF8.self)] = JSON(of: json_object_iter_value(here))
        at = json_object_iter_next(node, here)
      }
    case JSON_ARRAY:
      self = .array
      for index in 0..<json_array_size(node) { append(JSON(of: json_array_get(node, index))) }
    case JSON_STRING:
      let text = UnsafeRawBufferPointer(start: json_string_value(node), count: json_string_length(node))
      self.init(utf8: text.assumingMemoryBound(to: UInt8.self))
    case JSON_INTEGER: self.init(Int(json_integer_value(node)))
    case JSON_REAL: self.init(json_real_value(node))
    case JSON_TRUE: self.init(true)
    case JSON_FALSE: self.init(false)
    default: self = .null
    }
  }

  /// The same values as a tree of Jansson's, which the caller releases.
  private var janssonTree: UnsafeMutablePointer<json_t>? {
    switch kind {
    case .object:
      let object = json_object()
      for (key, value) in members {
        let key = Array(key.utf8CString)
        json_object_setn_new_nocheck(object, key, key.count - 1, value.janssonTree)
      }
      return object
    case .array:
      let array = json_array()
      for element in elements { json_array_append_new(array, element.janssonTree) }
      return array
    case .string: return withUTF8 { json_stringn_nocheck(Array($0.text.utf8CString), $0.count) } ?? json_null()
    case .integer: return json_integer(json_int_t(integer ?? 0))
    case .real: return json_real(number ?? 0)
    case .bool: return bool == true ? json_true() : json_false()
    case .null: return json_null()
    }
  }
}
