// SPDX-License-Identifier: MIT
import Jansson

/// Makes a JSON Schema one that the Messages API can hold a model to: it takes a part of the language, and refuses
/// the rest.
///
/// What it refuses is said in the description instead, as Anthropic's own SDK does, so that the model may follow it.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>
struct OutputSchema {
  /// The keywords that only a description holds now, each once, as they came.
  private(set) var inWords: [String] = []

  mutating func accepted(_ schema: JSON) -> JSON {
    guard schema.isObject else { return schema }
    let made = JSON.object
    var said: [String] = []
    for (key, value) in schema.members {
      switch key {
      case "properties", "$defs", "definitions":
        let parts = JSON.object
        for (name, part) in value.members { parts[name] = accepted(part) }
        made[key] = value.isObject ? parts : value
      case "items": made[key] = accepted(value)
      case "anyOf", "oneOf", "allOf":
        let variants = JSON.array
        for variant in value.elements { variants.append(accepted(variant)) }
        made[key == "oneOf" ? "anyOf" : key] = variants
      case "additionalProperties":
        if value.bool != false { said.append("\(key): \(value.text)") }
      case let key where Self.isRefused(key, value):
        said.append("\(key): \(value.text)")
      default: made[key] = value
      }
    }
    if schema["type"]?.equals("object") == true || schema["properties"] != nil || schema["additionalProperties"] != nil
    {
      made["additionalProperties"] = JSON(false)
    }
    if !said.isEmpty {
      let words = "{" + said.joined(separator: ", ") + "}"
      made["description"] = JSON((schema["description"]?.string).map { $0 + "\n\n" + words } ?? words)
      for word in said {
        let key = String(word.prefix { $0 != ":" })
        if !inWords.contains(key) { inWords.append(key) }
      }
    }
    return made
  }

  private static func isRefused(_ key: String, _ value: JSON) -> Bool {
    switch key {
    case "minItems": value.integer != 0 && value.integer != 1
    case "format": !formats.contains(value.string ?? "")
    case "uniqueItems": value.bool != false
    default: refused.contains(key)
    }
  }

  private static let formats: Set<String> = [
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
  ]

  private static let refused: Set<String> = [
    "maxItems", "contains", "minContains", "maxContains", "prefixItems", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minProperties", "maxProperties", "patternProperties",
    "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "if", "then", "else", "not",
  ]
}
