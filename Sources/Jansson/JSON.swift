// SPDX-License-Identifier: MIT
import CJansson
import JSONText

/// A JSON value in Jansson's tree.
///
/// Copies share one node, as Jansson's reference counts do: putting a value into two containers costs nothing, and
/// changing it is seen in both. So change only what you made yourself, or a ``shallowCopy()``.
///
/// - SeeAlso: <https://jansson.readthedocs.io/en/2.14/apiref.html>
package struct JSON {
  package enum Kind { case object, array, string, integer, real, bool, null }

  /// Holds one reference of Jansson's.
  private final class Node {
    let raw: UnsafeMutablePointer<json_t>
    init(owning raw: UnsafeMutablePointer<json_t>) { self.raw = raw }
    deinit { json_decref(raw) }
  }

  private let node: Node

  var raw: UnsafeMutablePointer<json_t> { node.raw }

  /// Takes over a reference that Jansson returned as new.
  init(owning raw: UnsafeMutablePointer<json_t>) { node = Node(owning: raw) }

  private init(sharing raw: UnsafeMutablePointer<json_t>) { node = Node(owning: json_incref(raw)) }

  // MARK: Making values

  package static var object: JSON { JSON(owning: json_object()) }
  package static var array: JSON { JSON(owning: json_array()) }
  package static var null: JSON { JSON(owning: json_null()) }

  package init(_ value: Bool) { self.init(owning: value ? json_true() : json_false()) }
  package init(_ value: Int) { self.init(owning: json_integer(json_int_t(value))) }

  /// A real number; null where it isn't finite, which JSON can't say.
  package init(_ value: Double) { self.init(owning: json_real(value) ?? json_null()) }

  package init(_ value: String) {
    var value = value
    self = value.withUTF8 { JSON(utf8: $0) }
  }

  /// A string of bytes that are known to be valid UTF-8.
  package init(utf8 text: ByteSlice) {
    // Jansson wants a pointer even for no bytes.
    self.init(
      owning: text.isEmpty
        ? json_stringn_nocheck("", 0)
        : json_stringn_nocheck(UnsafeRawPointer(text.baseAddress!).assumingMemoryBound(to: CChar.self), text.count))
  }

  package init(object members: KeyValuePairs<StaticString, JSON?>) {
    self = .object
    for (key, value) in members { if let value { self[key] = value } }
  }

  package init(array elements: [JSON]) {
    self = .array
    for element in elements { append(element) }
  }

  // MARK: Reading

  package var kind: Kind {
    switch raw.pointee.type {
    case JSON_OBJECT: .object
    case JSON_ARRAY: .array
    case JSON_STRING: BigInteger.read(raw) == nil ? .string : .integer
    case JSON_INTEGER: .integer
    case JSON_REAL: .real
    case JSON_TRUE, JSON_FALSE: .bool
    default: .null
    }
  }

  package var isNull: Bool { raw.pointee.type == JSON_NULL }
  package var isObject: Bool { raw.pointee.type == JSON_OBJECT }
  package var isArray: Bool { raw.pointee.type == JSON_ARRAY }
  package var isString: Bool { raw.pointee.type == JSON_STRING && BigInteger.read(raw) == nil }

  package var bool: Bool? {
    switch raw.pointee.type {
    case JSON_TRUE: true
    case JSON_FALSE: false
    default: nil
    }
  }

  /// The number, where it was written without fraction and exponent and fits.
  package var integer: Int? { raw.pointee.type == JSON_INTEGER ? Int(json_integer_value(raw)) : nil }

  /// Any number.
  package var number: Double? {
    switch raw.pointee.type {
    case JSON_INTEGER: Double(json_integer_value(raw))
    case JSON_REAL: json_real_value(raw)
    case JSON_STRING: BigInteger.read(raw).map(double)
    default: nil
    }
  }

  package var string: String? { withUTF8 { $0.text } }

  /// Hands over a string's bytes, which are valid during the call only; nil for other kinds.
  package func withUTF8<R>(_ body: (ByteSlice) -> R) -> R? {
    guard isString, let text = stringBytes(raw) else { return nil }
    return withExtendedLifetime(node) {
      guard let lent = LentString.read(text) else { return body(text) }
      guard lent.offset(of: UInt8(ascii: "\\")) != nil else { return body(lent) }
      var bytes = Bytes()
      _ = bytes.append(unescaped: lent)
      return body(bytes.slice)
    }
  }

  /// Whether it is exactly this string.
  package func equals(_ text: StaticString) -> Bool { withUTF8 { $0.equals(text) } ?? false }

  /// The number of members or elements; 0 for other kinds.
  package var count: Int { isObject ? json_object_size(raw) : json_array_size(raw) }

  /// An element of an array; null where there is none.
  package subscript(index: Int) -> JSON { json_array_get(raw, index).map { JSON(sharing: $0) } ?? .null }

  /// The elements of an array; none for other kinds.
  package var elements: some Sequence<JSON> {
    (0..<json_array_size(raw)).lazy.map { self[$0] }
  }

  /// The elements of an array, each of which leaves it as it is handed over: what is done with is freed before the next
  /// one is looked at. In the array null stands in their places.
  package var leavingElements: some Sequence<JSON> {
    (0..<json_array_size(raw)).lazy.map { index in
      let element = self[index]
      json_array_set_new(raw, index, json_null())
      return element
    }
  }

  /// The member of an object; nil where there is none and for other kinds. Set to nil to remove it.
  package subscript(key: StaticString) -> JSON? {
    get {
      key.withUTF8Buffer { Self.get(raw, $0) }
    }
    nonmutating set {
      key.withUTF8Buffer { Self.set(raw, $0, newValue) }
    }
  }

  package subscript(key: String) -> JSON? {
    get {
      var key = key
      return key.withUTF8 { Self.get(raw, $0) }
    }
    nonmutating set {
      var key = key
      key.withUTF8 { Self.set(raw, $0, newValue) }
    }
  }

  /// Hands over the members of an object, in the order they came, with the bytes of their keys, which are valid during
  /// the call only. Don't change it meanwhile.
  package func forEachMember(_ body: (_ key: ByteSlice, _ value: JSON) -> Void) {
    var at = json_object_iter(raw)
    while let here = at, let key = json_object_iter_key(here), let value = json_object_iter_value(here) {
      let bytes = ByteSlice(
        start: UnsafeRawPointer(key).assumingMemoryBound(to: UInt8.self), count: json_object_iter_key_len(here))
      body(bytes, JSON(sharing: value))
      at = json_object_iter_next(raw, here)
    }
  }

  /// The members of an object, in the order they came; none for other kinds. Don't change it meanwhile.
  package var members: Members { Members(of: self) }

  package struct Members: Sequence, IteratorProtocol {
    private let object: JSON
    private var at: UnsafeMutableRawPointer?

    fileprivate init(of object: JSON) {
      self.object = object
      at = json_object_iter(object.raw)
    }

    package mutating func next() -> (key: String, value: JSON)? {
      guard let here = at, let key = json_object_iter_key(here), let value = json_object_iter_value(here)
      else { return nil }
      let bytes = ByteSlice(
        start: UnsafeRawPointer(key).assumingMemoryBound(to: UInt8.self), count: json_object_iter_key_len(here))
      at = json_object_iter_next(object.raw, here)
      return (bytes.text, JSON(sharing: value))
    }
  }

  // MARK: Changing

  package func append(_ element: JSON) { json_array_append(raw, element.raw) }

  /// The same members or elements in a container of its own.
  package func shallowCopy() -> JSON { JSON(owning: json_copy(raw)) }

  private static func get(_ raw: UnsafeMutablePointer<json_t>, _ key: ByteSlice) -> JSON? {
    withKey(key) { json_object_getn(raw, $0, $1).map { JSON(sharing: $0) } }
  }

  private static func set(_ raw: UnsafeMutablePointer<json_t>, _ key: ByteSlice, _ value: JSON?) {
    withKey(key) { bytes, count -> Void in
      if let value {
        json_object_setn_new_nocheck(raw, bytes, count, json_incref(value.raw))
      } else {
        json_object_deln(raw, bytes, count)
      }
    }
  }

  private static func withKey<R>(_ key: ByteSlice, _ body: (UnsafePointer<CChar>, Int) -> R) -> R {
    guard let start = key.baseAddress, key.count > 0 else { return body("", 0) }
    return body(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), key.count)
  }
}

extension JSON: Equatable {
  /// Equal in Jansson's sense: members in any order, 1 and 1.0 apart.
  package static func == (one: JSON, other: JSON) -> Bool {
    guard one.kind == other.kind, one.count == other.count else { return false }
    // json_equal would compare a lent string by where it lies.
    switch one.kind {
    case .string: return one.withUTF8 { text in other.withUTF8 { text.elementsEqual($0) } } == true
    case .array: return zip(one.elements, other.elements).allSatisfy(==)
    case .object: return one.members.allSatisfy { other[$0.key] == $0.value }
    case .integer, .real, .bool, .null: return json_equal(one.raw, other.raw) == 1
    }
  }
}
