// SPDX-License-Identifier: MIT
import Jansson

/// The schema of a tool's input as the Messages API takes it: valid, of the type object, without a choice of schemas
/// at the top, and with property names that the API allows.
struct ToolSchema {
  private(set) var schema: JSON
  /// What the schema no longer says, in words for the tool's description.
  private(set) var rule: String?
  /// The properties that are sent under another name.
  private(set) var names: PropertyNames?
  /// What was changed, for the ledger.
  private(set) var changes = WordList()

  /// The schema of a tool that takes no input.
  static var empty: JSON { JSON(object: ["type": JSON("object"), "properties": .object]) }

  /// - Parameter parameters: the client's schema, an object.
  /// - Returns: nil where it describes something else than an object.
  init?(_ parameters: JSON) {
    var repairs = SchemaRepairs()
    schema = repairs.valid(parameters)
    for word in repairs.repaired.words { changes.add(word) }
    guard holdTypeToObject() else { return nil }
    if repairs.hasRefusedKeys {
      let found = PropertyNames(in: schema)
      schema = found.renamed(schema: schema)
      names = found
      changes.add("names of properties")
    }
    var top = TopLevelChoice(schema)
    guard top.isNeeded else { return }
    schema = top.flattened()
    rule = top.rule
    for key in top.keys { changes.add("\(key) at the top") }
  }

  private mutating func holdTypeToObject() -> Bool {
    if let type = schema["type"] {
      if type.equals("object") { return true }
      let allowsObject = type.isArray ? type.elements.contains { $0.equals("object") } : type.equals("null")
      guard allowsObject || (type.isArray && type.count == 0) else { return false }
      changes.add("type")
      let made = schema.shallowCopy()
      made["type"] = JSON("object")
      schema = made
      return true
    }
    let made = JSON(object: ["type": JSON("object")])
    for (key, value) in schema.members { made[key] = value }
    if schema.count == 0 { made["properties"] = .object }
    schema = made
    return true
  }
}

/// Makes one list of properties of a schema that has `anyOf`, `oneOf`, `allOf` or `$ref` at its top, which the
/// Messages API refuses in a tool.
///
/// The properties of all variants are declared. One is required if every input must have it. Which of them go together
/// is said in words.
struct TopLevelChoice {
  private let given: JSON
  /// The keywords at the top that are in the way.
  let keys: [String]

  private var properties: [String: [JSON]] = [:]
  private var order: [String] = []
  private var texts: Set<String> = []
  /// What the variants that a reference points to require; each is looked at once.
  private var required: [String: Set<String>] = [:]
  /// How many references are being followed, one within the other.
  private var depth = 0
  /// References may form a chain as long as the request; people write two or three.
  private static let maxReferences = 32

  init(_ schema: JSON) {
    given = schema
    keys = ["anyOf", "oneOf", "allOf", "$ref"].filter { schema[$0] != nil }
  }

  var isNeeded: Bool { !keys.isEmpty }

  /// The rule that the flattened schema doesn't hold the model to.
  var rule: String {
    let rules = keys.map { key -> String in
      let text = given[key]!.text
      return switch key {
      case "anyOf": "at least one of these JSON Schemas: \(text)"
      case "oneOf": "exactly one of these JSON Schemas: \(text)"
      case "allOf": "all of these JSON Schemas: \(text)"
      default: "the JSON Schema at \(text)"
      }
    }
    return "The input must match " + rules.joined(separator: " It must also match ")
  }

  mutating func flattened() -> JSON {
    let made = given.shallowCopy()
    for key in keys { made[key] = nil }
    let needed = collect(given)
    let merged = JSON.object
    for name in order { merged[name] = Self.union(properties[name]!) }
    made["properties"] = merged
    var names = WordList()
    for name in given["required"]?.elements.compactMap(\.string) ?? [] { names.add(name) }
    for name in order where needed.contains(name) { names.add(name) }
    made["required"] = names.isEmpty ? given["required"] : JSON(array: names.words.map { JSON($0) })
    return made
  }

  /// Collects the properties of a schema and of its variants, and returns the names that it always requires.
  private mutating func collect(_ schema: JSON) -> Set<String> {
    for (name, part) in schema["properties"]?.members.map({ $0 }) ?? [] { add(name, part) }
    var needed: Set<String> = []
    if let reference = schema["$ref"]?.string { needed = collect(reference: reference) }
    for variant in schema["allOf"]?.elements.map({ $0 }) ?? [] { Self.unite(&needed, collect(variant)) }
    for key in ["anyOf", "oneOf"] {
      var common: Set<String>?
      for variant in schema[key]?.elements.map({ $0 }) ?? [] {
        let more = collect(variant)
        common = common.map { $0.intersection(more) } ?? more
      }
      if let names = common {
        common = nil
        Self.unite(&needed, names)
      }
    }
    for name in schema["required"]?.elements.compactMap(\.string) ?? [] { needed.insert(name) }
    return needed
  }

  /// Adds the smaller of two sets to the larger.
  private static func unite(_ names: inout Set<String>, _ others: consuming Set<String>) {
    if names.count < others.count { swap(&names, &others) }
    names.formUnion(others)
  }

  private mutating func collect(reference: String) -> Set<String> {
    if let known = required[reference] { return known }
    guard depth < Self.maxReferences else { return [] }
    depth += 1
    defer { depth -= 1 }
    // What a schema requires of itself is nothing more.
    required[reference] = []
    guard let target = SchemaPointer.target(of: reference, in: given) else { return [] }
    let needed = collect(target)
    required[reference] = needed
    return needed
  }

  private mutating func add(_ name: String, _ part: JSON) {
    guard let others = properties[name] else {
      order.append(name)
      properties[name] = [part]
      return
    }
    // The texts of parts are needed only where a name comes twice.
    if others.count == 1 { texts.insert(name + "\n" + others[0].text) }
    if texts.insert(name + "\n" + part.text).inserted { properties[name]!.append(part) }
  }

  /// One schema for a property that has another in each variant.
  private static func union(_ parts: [JSON]) -> JSON {
    if parts.count == 1 { return parts[0] }
    // The values that tell variants apart: {"const":"a"} and {"const":"b"}.
    let values = parts.map { part in part["const"].map { [$0] } ?? part["enum"]?.elements.map { $0 } }
    let types = parts.map { $0["type"]?.string }
    if values.allSatisfy({ $0 != nil }) {
      let made = JSON(object: ["type": types.allSatisfy { $0 == types[0] } ? types[0].map { JSON($0) } : nil])
      let list = JSON.array
      var seen: Set<String> = []
      for value in values.compactMap({ $0 }).joined() where seen.insert(value.text).inserted { list.append(value) }
      made["enum"] = list
      made["description"] = parts.lazy.compactMap { $0["description"] }.first
      return made
    }
    return JSON(object: ["anyOf": JSON(array: parts)])
  }
}
