// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// What the value of a JSON Schema keyword must be.
///
/// - SeeAlso: <https://json-schema.org/draft/2020-12/schema>
enum SchemaKeyword {
  /// A schema.
  case schema
  /// An array of at least one schema.
  case schemas
  /// An object whose members are schemas.
  case named
  /// Draft 7: an object whose members are schemas or lists of property names.
  case dependencies
  /// An object whose members are lists of property names.
  case nameLists
  case type, required, values, examples
  case text, flag
  /// A name within a schema: `^[A-Za-z_][-A-Za-z0-9._]*$`.
  case anchor
  /// An address without a fragment, but for an empty one.
  case identifier
  /// A whole number that is not negative.
  case count
  case number
  /// A number; draft 4 has a boolean here, which says how to read `minimum` or `maximum`.
  case bound
  /// How the schema is to be read: its draft, the vocabularies of a draft.
  case draft

  /// Other keywords say nothing to a validator, and may have any value.
  static let all: [String: SchemaKeyword] = [
    "items": .schema, "contains": .schema, "not": .schema, "if": .schema, "then": .schema, "else": .schema,
    "propertyNames": .schema, "additionalProperties": .schema, "unevaluatedItems": .schema,
    "unevaluatedProperties": .schema, "contentSchema": .schema,
    "anyOf": .schemas, "oneOf": .schemas, "allOf": .schemas, "prefixItems": .schemas,
    "properties": .named, "patternProperties": .named, "dependentSchemas": .named, "$defs": .named,
    "definitions": .named, "dependencies": .dependencies, "dependentRequired": .nameLists,
    "type": .type, "required": .required, "enum": .values, "examples": .examples, "title": .text,
    "description": .text, "pattern": .text, "format": .text, "$ref": .text, "$id": .identifier,
    "$anchor": .anchor, "$dynamicRef": .text, "$dynamicAnchor": .anchor, "$recursiveRef": .text,
    "$recursiveAnchor": .anchor, "$comment": .text, "contentEncoding": .text,
    "contentMediaType": .text, "uniqueItems": .flag, "deprecated": .flag, "readOnly": .flag, "writeOnly": .flag,
    "minLength": .count, "maxLength": .count, "minItems": .count, "maxItems": .count, "minProperties": .count,
    "maxProperties": .count, "minContains": .count, "maxContains": .count, "minimum": .number, "maximum": .number,
    "multipleOf": .number, "exclusiveMinimum": .bound, "exclusiveMaximum": .bound, "$schema": .draft,
    "$vocabulary": .draft,
  ]

  /// The keyword of that name. Those of usual tools are found without a string and its hash.
  static func named(_ key: ByteSlice) -> SchemaKeyword? {
    switch key.count {
    case 4 where key.equals("enum"): .values
    case 4 where key.equals("type"): .type
    case 5 where key.equals("items"): .schema
    case 7 where key.equals("default"): nil
    case 8 where key.equals("required"): .required
    case 10 where key.equals("properties"): .named
    case 20 where key.equals("additionalProperties"): .schema
    default: all[key.text]
    }
  }

  /// Whether a keyword that stands in nearly every schema has a value that is right, without a look into any table.
  static func isPlain(_ key: ByteSlice, _ value: JSON) -> Bool {
    if key.equals("description") { return value.isString }
    guard key.equals("type") else { return false }
    return value.withUTF8 { type in
      type.equals("string") || type.equals("object") || type.equals("integer") || type.equals("array")
        || type.equals("boolean") || type.equals("number") || type.equals("null")
    } ?? false
  }

  static let types: Set<String> = ["object", "array", "string", "integer", "number", "boolean", "null"]

  /// The type that other languages' names mean.
  static func type(meantBy word: String) -> String? {
    let word = word.lowercased()
    return types.contains(word) ? word : synonyms[word]
  }

  private static let synonyms = [
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number", "double": "number",
    "decimal": "number", "bool": "boolean", "dict": "object", "map": "object", "list": "array", "tuple": "array",
    "none": "null", "nil": "null",
  ]

  /// Words that allow every type.
  static let anyType: Set<String> = ["any", "mixed", "unknown", ""]
}

/// Words in the order they came, each once.
struct WordList {
  private(set) var words: [String] = []
  /// Jansson compares bytes, where Swift's strings are equal if they look the same.
  private var members: JSON?

  var isEmpty: Bool { words.isEmpty }
  var joined: String { words.joined(separator: ", ") }

  mutating func add(_ word: String) {
    if members == nil { members = .object }
    guard members![word] == nil else { return }
    members![word] = JSON(true)
    words.append(word)
  }
}

extension JSON {
  /// The same schema with a sentence added to its description.
  func described(_ words: String, after separator: String = "\n\n") -> JSON {
    let made = shallowCopy()
    let own = self["description"]?.string ?? ""
    made["description"] = JSON(own.isEmpty ? words : own + separator + words)
    return made
  }
}
