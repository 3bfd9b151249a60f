// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// Makes of a client's JSON Schema one that is valid by draft 2020-12: the Messages API refuses a whole request for
/// one invalid schema.
///
/// Forms of older drafts are written in the new one's. A value that no draft allows is moved into the description, so
/// that the model may still follow it. What is valid stays the node that came.
struct SchemaRepairs {
  /// The keywords that were repaired.
  private(set) var repaired = WordList()
  /// Whether a property has a name that the API refuses.
  private(set) var hasRefusedKeys = false

  mutating func valid(_ schema: JSON) -> JSON { repair(schema) ?? schema }

  /// A changed copy of one schema while its keywords are looked at.
  private struct Edit {
    let given: JSON
    private(set) var made: JSON?
    /// What only the description can hold.
    var words: [String] = []
    /// Properties that draft 3 marks as required in themselves.
    var required: [String] = []

    init(_ given: JSON) { self.given = given }

    mutating func set(_ key: String, _ value: JSON?) {
      if made == nil { made = given.shallowCopy() }
      made![key] = value
    }
  }

  /// The repaired schema; nil where nothing had to be repaired.
  private mutating func repair(_ schema: JSON) -> JSON? {
    guard schema.isObject else { return schema.bool == nil ? schemaMeant(by: schema) : nil }
    var edit = Edit(schema)
    schema.forEachMember { key, value in
      if SchemaKeyword.isPlain(key, value) { return }
      if let keyword = SchemaKeyword.named(key) { check(keyword, key.text, value, &edit) }
    }
    if !edit.required.isEmpty {
      var names = WordList()
      for name in (edit.made ?? schema)["required"]?.elements.compactMap(\.string) ?? [] { names.add(name) }
      for name in edit.required { names.add(name) }
      edit.set("required", JSON(array: names.words.map { JSON($0) }))
    }
    guard !edit.words.isEmpty else { return edit.made }
    return edit.made!.described("{" + edit.words.joined(separator: ", ") + "}")
  }

  /// The schema that stands for a value which isn't one, such as the name of a type.
  private mutating func schemaMeant(by value: JSON) -> JSON {
    repaired.add("a schema that is not an object")
    if value.isNull { return .object }
    if let type = value.string.flatMap(SchemaKeyword.type(meantBy:)) { return JSON(object: ["type": JSON(type)]) }
    return JSON(object: ["description": JSON(value.string ?? value.text)])
  }

  private mutating func check(_ keyword: SchemaKeyword, _ key: String, _ value: JSON, _ edit: inout Edit) {
    switch keyword {
    case .schema:
      if value.isNull { return remove(key, value, &edit) }
      if key == "items", value.isArray { return repairTuple(value, &edit) }
      if let word = value.string, word == "true" || word == "false" {
        repaired.add(key)
        return edit.set(key, JSON(word == "true"))
      }
      if let made = repair(value) { edit.set(key, made) }
    case .schemas:
      let list = value.isObject ? JSON(array: [value]) : value
      guard list.count > 0, list.isArray else { return remove(key, value, &edit) }
      if value.isObject { repaired.add(key) }
      if let made = repairEach(list) { edit.set(key, made) } else if value.isObject { edit.set(key, list) }
    case .named: repairNamed(key, value, &edit)
    case .dependencies:
      guard value.isObject, value.members.allSatisfy({ $0.value.isObject || $0.value.bool != nil || isNames($0.value) })
      else { return remove(key, value, &edit) }
      for (name, part) in value.members where part.isObject {
        guard let made = repair(part) else { continue }
        let copy = (edit.made?[key] ?? value).shallowCopy()
        copy[name] = made
        edit.set(key, copy)
      }
    case .nameLists:
      if !value.isObject || !value.members.allSatisfy({ isNames($0.value) }) { remove(key, value, &edit) }
    case .type: repairType(value, &edit)
    case .required: repairRequired(value, &edit)
    case .values:
      if value.isArray, value.count > 0 { return }
      guard value.isString || value.number != nil || value.bool != nil else { return remove(key, value, &edit) }
      repaired.add(key)
      edit.set(key, JSON(array: [value]))
    case .examples: if !value.isArray { remove(key, value, &edit) }
    case .text: if !value.isString { remove(key, value, &edit) }
    case .anchor: if !Self.isAnchor(value) { remove(key, value, &edit) }
    case .identifier: if !Self.isIdentifier(value) { remove(key, value, &edit) }
    case .flag: if value.bool == nil { remove(key, value, &edit) }
    case .count: if !isCount(value) { remove(key, value, &edit) }
    case .number:
      if value.number == nil || (key == "multipleOf" && value.number! <= 0) { remove(key, value, &edit) }
    case .bound: repairBound(key, value, &edit)
    case .draft:
      // It says how to read the schema, which is read by now; a model has no use for it.
      if !value.equals("https://json-schema.org/draft/2020-12/schema") { edit.set(key, nil) }
    }
  }

  /// Moves a keyword from the schema to the description.
  private mutating func remove(_ key: String, _ value: JSON, _ edit: inout Edit) {
    repaired.add(key)
    edit.set(key, nil)
    if !value.isNull { edit.words.append("\(key): \(value.text)") }
  }

  private mutating func repairEach(_ list: JSON) -> JSON? {
    var changed: [Int: JSON] = [:]
    for (index, part) in list.elements.enumerated() { if let made = repair(part) { changed[index] = made } }
    guard !changed.isEmpty else { return nil }
    return JSON(array: list.elements.enumerated().map { changed[$0.offset] ?? $0.element })
  }

  private mutating func repairNamed(_ key: String, _ value: JSON, _ edit: inout Edit) {
    guard value.isObject else {
      guard key == "properties", value.isNull || (value.isArray && value.count == 0) else {
        return remove(key, value, &edit)
      }
      repaired.add(key)
      return edit.set(key, .object)
    }
    let isProperties = key == "properties"
    var copy: JSON?
    value.forEachMember { name, part in
      if isProperties, !hasRefusedKeys, !AcceptedNames.property.accepts(name) { hasRefusedKeys = true }
      guard let made = repair(part) else { return }
      let name = name.text
      if isProperties, part["required"]?.bool == true { edit.required.append(name) }
      if copy == nil { copy = value.shallowCopy() }
      copy![name] = made
    }
    if let copy { edit.set(key, copy) }
  }

  /// The form of drafts 4 to 7 for an array whose elements have a schema each.
  private mutating func repairTuple(_ items: JSON, _ edit: inout Edit) {
    repaired.add("items")
    edit.set("items", nil)
    if items.count > 0, edit.given["prefixItems"] == nil { edit.set("prefixItems", repairEach(items) ?? items) }
    guard let rest = edit.given["additionalItems"] else { return }
    edit.set("additionalItems", nil)
    if rest.isObject || rest.bool != nil { edit.set("items", repair(rest) ?? rest) }
  }

  private mutating func repairType(_ value: JSON, _ edit: inout Edit) {
    if let word = value.string {
      if SchemaKeyword.types.contains(word) { return }
      guard let meant = SchemaKeyword.type(meantBy: word) else {
        return remove("type", SchemaKeyword.anyType.contains(word.lowercased()) ? .null : value, &edit)
      }
      repaired.add("type")
      return edit.set("type", JSON(meant))
    }
    guard value.isArray else { return remove("type", value, &edit) }
    let words = value.elements.map(\.string)
    var types = WordList()
    for case let word? in words { if let meant = SchemaKeyword.type(meantBy: word) { types.add(meant) } }
    // An empty list allows nothing, and the API refuses it; no type at all is what was meant.
    if value.count == 0 { return remove("type", .null, &edit) }
    if types.words == words { return }
    let allowsAll = words.contains { $0.map { SchemaKeyword.anyType.contains($0.lowercased()) } ?? false }
    guard !types.isEmpty, !allowsAll else { return remove("type", allowsAll ? .null : value, &edit) }
    repaired.add("type")
    edit.set("type", JSON(array: types.words.map { JSON($0) }))
  }

  private mutating func repairRequired(_ value: JSON, _ edit: inout Edit) {
    // Draft 3 says it in the property itself, and the object around it takes it up.
    if value.bool != nil {
      repaired.add("required")
      return edit.set("required", nil)
    }
    if let name = value.string, edit.given["properties"]?[name] != nil {
      repaired.add("required")
      return edit.set("required", JSON(array: [value]))
    }
    guard value.isArray else { return remove("required", value.count == 0 ? .null : value, &edit) }
    if Self.isShortSet(value) { return }
    var names = WordList()
    for element in value.elements { if let name = element.string { names.add(name) } }
    guard names.words.count != value.count else { return }
    repaired.add("required")
    edit.set("required", JSON(array: names.words.map { JSON($0) }))
  }

  /// Whether they are a few strings, no two of them the same: compared with each other, which takes less than a table.
  private static func isShortSet(_ list: JSON) -> Bool {
    guard list.count <= 6 else { return false }
    for index in 0..<list.count {
      let name = list[index]
      guard name.isString else { return false }
      for earlier in 0..<index where list[earlier] == name { return false }
    }
    return true
  }

  private mutating func repairBound(_ key: String, _ value: JSON, _ edit: inout Edit) {
    if value.number != nil { return }
    guard let isExclusive = value.bool else { return remove(key, value, &edit) }
    repaired.add(key)
    edit.set(key, nil)
    let inclusive = key == "exclusiveMinimum" ? "minimum" : "maximum"
    if isExclusive, let bound = edit.given[inclusive], bound.number != nil {
      edit.set(inclusive, nil)
      edit.set(key, bound)
    }
  }

  /// The names of properties, each once.
  private func isNames(_ value: JSON) -> Bool {
    guard value.isArray, value.elements.allSatisfy(\.isString) else { return false }
    if value.count < 2 { return true }
    var names = WordList()
    for name in value.elements { if let name = name.string { names.add(name) } }
    return names.words.count == value.count
  }

  /// Draft 2019-09 has a boolean for one, and older drafts write an address.
  private static func isAnchor(_ value: JSON) -> Bool {
    guard let name = value.string, let first = name.utf8.first else { return false }
    return first != UInt8(ascii: "-") && first != UInt8(ascii: ".") && !(0x30...0x39).contains(first)
      && name.utf8.allSatisfy { AcceptedNames.property.allows($0) }
  }

  /// Drafts 4 to 7 have `#name` here, which is an anchor now.
  private static func isIdentifier(_ value: JSON) -> Bool {
    guard let address = value.string else { return false }
    return !(address.hasSuffix("#") ? address.dropLast() : address[...]).utf8.contains(UInt8(ascii: "#"))
  }

  private func isCount(_ value: JSON) -> Bool {
    guard let number = value.number else { return false }
    return number >= 0 && number == number.rounded()
  }
}
