// SPDX-License-Identifier: MIT
import JSONText

/// A JSON value in a tree.
///
/// Copies share one node: putting a value into two containers costs nothing, and changing it is seen in both. So change
/// only what you made yourself, or a ``shallowCopy()``.
package struct JSON {
  package enum Kind { case object, array, string, integer, real, bool, null }

  /// Holds the block of a value.
  private final class Owner {
    let value: Value
    init(_ value: Value) { self.value = value }
    deinit { value.release() }
  }

  let value: Value
  /// None for what has no block.
  private let owner: Owner?

  /// Takes over a value that is held for it.
  init(owning value: Value) {
    self.value = value
    owner = value.hasBlock ? Owner(value) : nil
  }

  private init(sharing value: Value) {
    value.retain()
    self.init(owning: value)
  }

  // MARK: Making values

  package static var object: JSON { JSON(owning: .object(nil, count: 0)) }
  package static var array: JSON { JSON(owning: .array(nil, count: 0)) }
  package static var null: JSON { JSON(owning: .null) }

  package init(_ value: Bool) { self.init(owning: Value(value)) }
  package init(_ value: Int) { self.init(owning: Value(value)) }

  /// A real number; null where it isn't finite, which JSON can't say.
  package init(_ value: Double) { self.init(owning: value.isFinite ? Value(value) : .null) }

  package init(_ value: String) {
    var value = value
    self = value.withUTF8 { JSON(utf8: $0) }
  }

  /// A string of bytes that are known to be valid UTF-8.
  package init(utf8 text: ByteSlice) { self.init(owning: Value(text: text)) }

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
    switch value.tag {
    case .object: .object
    case .array: .array
    case .short, .lent, .owned: .string
    case .integer, .lentInteger, .ownedInteger: .integer
    case .real: .real
    case .isTrue, .isFalse: .bool
    case .null, .removed: .null
    }
  }

  package var isNull: Bool { value.tag == .null }
  package var isObject: Bool { value.tag == .object }
  package var isArray: Bool { value.tag == .array }
  package var isString: Bool { kind == .string }

  package var bool: Bool? {
    switch value.tag {
    case .isTrue: true
    case .isFalse: false
    default: nil
    }
  }

  /// The number, where it was written without fraction and exponent and fits.
  package var integer: Int? { value.tag == .integer ? Int(Int64(bitPattern: value.word)) : nil }

  /// Any number.
  package var number: Double? {
    switch value.tag {
    case .integer: Double(Int64(bitPattern: value.word))
    case .real: Double(bitPattern: value.word)
    case .lentInteger, .ownedInteger: withExtendedLifetime(owner) { value.withText(double) }
    default: nil
    }
  }

  package var string: String? { withUTF8 { $0.text } }

  /// Hands over a string's bytes, which are valid during the call only; nil for other kinds.
  package func withUTF8<R>(_ body: (ByteSlice) -> R) -> R? {
    guard isString else { return nil }
    let isLent = value.tag == .lent
    return withExtendedLifetime(owner) {
      value.withText { text in
        guard isLent, text.offset(of: UInt8(ascii: "\\")) != nil else { return body(text) }
        var bytes = Bytes()
        _ = bytes.append(unescaped: text)
        return body(bytes.slice)
      }
    }
  }

  /// Whether it is exactly this string.
  package func equals(_ text: StaticString) -> Bool { withUTF8 { $0.equals(text) } ?? false }

  /// Its block, where it is an array.
  private var arrayBlock: UnsafeMutablePointer<ArrayBlock>? {
    isArray ? value.block.assumingMemoryBound(to: ArrayBlock.self) : nil
  }

  /// Its block, where it is an object.
  private var objectBlock: UnsafeMutablePointer<ObjectBlock>? {
    isObject ? value.block.assumingMemoryBound(to: ObjectBlock.self) : nil
  }

  /// The number of members or elements; 0 for other kinds.
  package var count: Int {
    withExtendedLifetime(owner) { Int(objectBlock?.pointee.count ?? arrayBlock?.pointee.count ?? 0) }
  }

  /// An element of an array; null where there is none.
  package subscript(index: Int) -> JSON {
    withExtendedLifetime(owner) {
      guard let array = arrayBlock, let values = array.pointee.values, index >= 0, index < Int(array.pointee.count)
      else { return .null }
      return JSON(sharing: values[index])
    }
  }

  /// The elements of an array; none for other kinds.
  package var elements: some Sequence<JSON> {
    (0..<(isArray ? count : 0)).lazy.map { self[$0] }
  }

  /// The member of an object; nil where there is none and for other kinds. Set to nil to remove it.
  package subscript(key: StaticString) -> JSON? {
    get {
      key.withUTF8Buffer { get($0) }
    }
    nonmutating set {
      key.withUTF8Buffer { set($0, newValue) }
    }
  }

  package subscript(key: String) -> JSON? {
    get {
      var key = key
      return key.withUTF8 { get($0) }
    }
    nonmutating set {
      var key = key
      key.withUTF8 { set($0, newValue) }
    }
  }

  /// The members of an object, in the order they came; none for other kinds. Don't change it meanwhile.
  package var members: Members { Members(of: self) }

  package struct Members: Sequence, IteratorProtocol {
    private let object: JSON
    private var place = 0

    fileprivate init(of object: JSON) { self.object = object }

    package mutating func next() -> (key: String, value: JSON)? {
      guard let block = object.objectBlock, let members = block.pointee.members else { return nil }
      while place < Int(block.pointee.used) {
        let member = members[place]
        place += 1
        if member.key.tag == .removed { continue }
        return (member.key.withText { $0.text }, JSON(sharing: member.value))
      }
      return nil
    }
  }

  // MARK: Changing

  package func append(_ element: JSON) {
    withExtendedLifetime((owner, element)) { arrayBlock?.pointee.append(element.value) }
  }

  /// The same members or elements in a container of its own.
  package func shallowCopy() -> JSON {
    withExtendedLifetime(owner) {
      if let object = objectBlock { return JSON(owning: object.pointee.copy()) }
      if let array = arrayBlock { return JSON(owning: array.pointee.copy()) }
      return self
    }
  }

  private func get(_ key: ByteSlice) -> JSON? {
    withExtendedLifetime(owner) {
      guard let object = objectBlock else { return nil }
      let probe = key.count <= Value.longestShort ? Value(short: key) : Value(lending: key)
      return object.pointee.find(probe).map { JSON(sharing: object.pointee.members.unsafelyUnwrapped[$0].value) }
    }
  }

  private func set(_ key: ByteSlice, _ value: JSON?) {
    withExtendedLifetime((owner, value)) {
      guard let object = objectBlock else { return }
      if let value { object.pointee.set(key, value.value) } else { object.pointee.remove(key) }
    }
  }
}

extension JSON: Equatable {
  /// Equal in Jansson's sense: members in any order, 1 and 1.0 apart.
  package static func == (one: JSON, other: JSON) -> Bool {
    guard one.kind == other.kind, one.count == other.count else { return false }
    switch one.kind {
    case .string: return one.withUTF8 { text in other.withUTF8 { text.elementsEqual($0) } } == true
    case .array: return zip(one.elements, other.elements).allSatisfy(==)
    case .object: return one.members.allSatisfy { other[$0.key] == $0.value }
    case .integer:
      if let integer = one.integer { return integer == other.integer }
      return withExtendedLifetime((one, other)) {
        other.integer == nil && one.value.withText { text in other.value.withText { text.equals($0) } }
      }
    case .real: return one.number == other.number
    case .bool: return one.bool == other.bool
    case .null: return true
    }
  }
}
