// SPDX-License-Identifier: MIT
import Jansson

/// Properties of a schema that don't depend on its parts.
enum SchemaTypes {
  /// The types that a schema names, or that its keywords are about.
  static func types(of schema: JSON) -> [String] {
    if let type = schema["type"]?.string { return [type] }
    if let list = schema["type"], list.isArray { return list.elements.compactMap(\.string) }
    if ["properties", "additionalProperties", "patternProperties", "required"].contains(where: { schema[$0] != nil }) {
      return ["object"]
    }
    if schema["items"] != nil || schema["prefixItems"] != nil { return ["array"] }
    return []
  }

  static func allows(_ type: String, _ value: JSON) -> Bool {
    switch type {
    case "object": value.isObject
    case "array": value.isArray
    case "string": value.isString
    case "number": value.number != nil
    case "integer": value.number.map { $0 == $0.rounded() } ?? false
    case "boolean": value.bool != nil
    default: value.isNull
    }
  }

  /// The type whose values a keyword is about; others pass it.
  static let subject: [String: String] = [
    "properties": "object", "required": "object", "additionalProperties": "object", "patternProperties": "object",
    "unevaluatedProperties": "object", "propertyNames": "object", "minProperties": "object",
    "maxProperties": "object", "dependentRequired": "object", "dependentSchemas": "object", "dependencies": "object",
    "items": "array", "prefixItems": "array", "unevaluatedItems": "array", "contains": "array", "minItems": "array",
    "maxItems": "array", "uniqueItems": "array", "minContains": "array", "maxContains": "array",
    "additionalItems": "array", "pattern": "string", "minLength": "string", "maxLength": "string",
    "contentEncoding": "string", "contentMediaType": "string", "contentSchema": "string", "minimum": "number",
    "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number", "multipleOf": "number",
  ]

  /// The keywords beside which no choice can stand.
  static let structural = [
    "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "items", "prefixItems", "enum",
    "const",
  ]

  /// Whether a keyword with this value says nothing about the answer.
  static func saysNothing(_ key: String, _ value: JSON) -> Bool {
    switch key {
    case "$schema", "$comment", "$id", "id", "$anchor", "$vocabulary", "$defs", "definitions": true
    case "nullable", "uniqueItems", "deprecated", "readOnly", "writeOnly": value.bool == false
    case "patternProperties", "dependentSchemas", "dependentRequired", "dependencies":
      value.isObject && value.count == 0
    case "additionalItems": true
    default: false
    }
  }

  /// A schema of OpenAPI 3.0 that null is right for too.
  static func nullable(_ schema: JSON) -> JSON {
    let made = schema.shallowCopy()
    made["nullable"] = nil
    let null = JSON(object: ["type": JSON("null")])
    if made["$ref"] != nil {
      let outer = JSON(object: ["description": made["description"]])
      made["description"] = nil
      outer["anyOf"] = JSON(array: [made, null])
      return outer
    }
    for key in ["anyOf", "oneOf"] {
      if let variants = made[key] { made[key] = JSON(array: variants.elements + [null]) }
    }
    let types = types(of: made)
    if !types.isEmpty, !types.contains("null") { made["type"] = JSON(array: (types + ["null"]).map { JSON($0) }) }
    if let values = made["enum"] { made["enum"] = JSON(array: values.elements + [.null]) }
    if let value = made["const"] {
      made["const"] = nil
      made["enum"] = JSON(array: [value, .null])
    }
    return made
  }

  /// A schema of several types as a choice of schemas with one type each.
  static func split(_ schema: JSON, _ types: [String]) -> JSON {
    let made = JSON.object
    let variants = types.map { JSON(object: ["type": JSON($0)]) }
    for (key, value) in schema.members where key != "type" {
      guard let type = key == "format" ? "string" : subject[key] else {
        if key == "enum" || key == "const" {
          for variant in variants { variant[key] = value }
        } else {
          made[key] = value
        }
        continue
      }
      for (index, name) in types.enumerated() where name == type || (type == "number" && name == "integer") {
        variants[index][key] = value
      }
    }
    made["anyOf"] = JSON(array: variants)
    return made
  }

  /// Whether schemas that narrow an object name no property besides its own: it will be closed.
  static func addNoProperties(_ parts: [JSON], to properties: JSON?) -> Bool {
    parts.allSatisfy { part in
      guard part.isObject else { return true }
      return part.members.allSatisfy { key, value in
        switch key {
        case "properties": value.members.allSatisfy { properties?[$0.key] != nil }
        case "required": value.elements.allSatisfy { properties?[$0.string ?? ""] != nil }
        case "anyOf", "oneOf", "allOf": addNoProperties(value.elements.map { $0 }, to: properties)
        case "if", "then", "else": addNoProperties([value], to: properties)
        case "dependentSchemas", "dependencies": addNoProperties(value.members.map(\.value), to: properties)
        case "$ref", "patternProperties", "$dynamicRef", "$recursiveRef": false
        default: true
        }
      }
    }
  }
}

/// Makes one schema of a schema and the parts of its `allOf`: the API compiles no `allOf` of objects that would all be
/// closed.
struct SchemaMerge {
  private let made = JSON.object
  private let properties = JSON.object
  private var hasProperties = false
  private var required = WordList()
  private var hasRequired = false
  private var descriptions = WordList()
  /// How many properties each part has that allows no others.
  private var closed: [Int] = []

  static func merged(_ schema: JSON) throws(OutputSchema.Refusal) -> JSON {
    var merge = SchemaMerge()
    try merge.add(schema)
    if merge.hasProperties { merge.made["properties"] = merge.properties }
    if merge.hasRequired { merge.made["required"] = JSON(array: merge.required.words.map { JSON($0) }) }
    if !merge.descriptions.isEmpty {
      merge.made["description"] = JSON(merge.descriptions.words.joined(separator: "\n\n"))
    }
    guard merge.closed.allSatisfy({ $0 == merge.properties.count }) else {
      throw OutputSchema.Refusal("an allOf of closed objects")
    }
    return merge.made
  }

  private mutating func add(_ schema: JSON) throws(OutputSchema.Refusal) {
    guard schema.isObject else { throw OutputSchema.Refusal("a boolean in the place of a schema") }
    if schema["additionalProperties"]?.bool == false { closed.append(schema["properties"]?.count ?? 0) }
    for (key, value) in schema.members {
      switch key {
      case "allOf": break
      case "properties":
        hasProperties = true
        for (name, part) in value.members {
          guard properties[name].map({ $0 == part }) ?? true else {
            throw OutputSchema.Refusal("an allOf with two schemas for one property")
          }
          properties[name] = part
        }
        // Its place among the others.
        made["properties"] = .null
      case "required":
        hasRequired = true
        for name in value.elements { if let name = name.string { required.add(name) } }
        made["required"] = .null
      case "description":
        descriptions.add(value.string ?? value.text)
        made["description"] = .null
      case "title", "default", "examples", "$defs", "definitions", "$schema", "$id", "$comment":
        if made[key] == nil { made[key] = value }
      default:
        guard made[key].map({ $0 == value }) ?? true else { throw OutputSchema.Refusal("an allOf with two \(key)") }
        made[key] = value
      }
    }
    for part in schema["allOf"]?.elements.map({ $0 }) ?? [] { try add(part) }
  }
}
