// SPDX-License-Identifier: MIT
import Jansson

// The parts of a schema that say what a value is made of.
extension SchemaCompiler {
  /// One of a list of values; nil where the list goes into the description and the rest says enough.
  mutating func literal(_ schema: JSON, _ types: [String]) throws(Refusal) -> JSON? {
    let isConstant = schema["const"] != nil
    var values = isConstant ? [schema["const"]!] : schema["enum"]!.elements.map { $0 }
    if isConstant, let list = schema["enum"], !list.elements.contains(schema["const"]!) { values = [] }
    let given = values.count
    if !types.isEmpty { values.removeAll { value in !types.contains { SchemaTypes.allows($0, value) } } }
    guard !values.isEmpty else { throw Refusal("an enum that allows nothing") }
    if values.contains(where: { $0.isObject || $0.isArray }) {
      if types.isEmpty { throw Refusal("objects or arrays in an enum") }
      return nil
    }
    let made = JSON.object
    var words: [String] = []
    for (key, value) in schema.members where !SchemaTypes.saysNothing(key, value) {
      switch key {
      // The API refuses a list with a value that isn't of the type beside it, null among them.
      case "type": if types.count == 1 { made["type"] = JSON(types[0]) }
      case "const": made["const"] = value
      case "enum": if !isConstant { made["enum"] = values.count == given ? value : JSON(array: values) }
      default: annotate(key, value, made, &words)
      }
    }
    return finished(made, words)
  }

  /// The keywords of one type, or of several that hold no other parts.
  mutating func structure(_ schema: JSON, _ types: [String], _ depth: Int) throws(Refusal) -> JSON {
    guard !types.isEmpty else { throw Refusal("a part of any type") }
    let made = JSON.object
    var words: [String] = []
    if schema["type"] == nil { made["type"] = JSON(types[0]) }
    if types.count > 1 { unions += 1 }
    for (key, value) in schema.members where !SchemaTypes.saysNothing(key, value) {
      if let type = SchemaTypes.subject[key],
        !types.contains(where: { type == $0 || (type == "number" && $0 == "integer") })
      {
        continue
      }
      switch key {
      case "type": made["type"] = types.count == 1 ? JSON(types[0]) : JSON(array: types.map { JSON($0) })
      case "properties": made["properties"] = try properties(value, schema, depth, &words)
      case "required":
        for name in value.elements where schema["properties"]?[name.string ?? ""] == nil {
          throw Refusal("a required property that isn't declared")
        }
        made["required"] = value
      case "additionalProperties", "unevaluatedProperties", "patternProperties":
        if value.bool != false { throw Refusal("an object with free members") }
      case "dependentSchemas", "dependencies", "if", "then", "else":
        let parts = key == "dependentSchemas" || key == "dependencies" ? value.members.map(\.value) : [value]
        guard SchemaTypes.addNoProperties(parts, to: schema["properties"]) else {
          throw Refusal("\(key) that adds properties")
        }
        say(key, value, &words)
      case "items":
        let part = try compile(value, depth + 1)
        made["items"] = part.schema
        if let about = part.words { words.append("items: \(about)") }
      case "prefixItems": throw Refusal("an array with a schema for each element")
      case "minItems" where value.integer == 0 || value.integer == 1: made["minItems"] = value
      case "format" where Self.formats.contains(value.string ?? ""): made["format"] = value
      case "pattern" where RegularExpression.isCompiled(value.string ?? "") && schema["format"] == nil:
        made["pattern"] = value
      default: annotate(key, value, made, &words)
      }
    }
    if types == ["object"] {
      let isClosed = [schema["additionalProperties"], schema["unevaluatedProperties"]].contains { $0?.bool == false }
      // An object with properties and no word about others is closed, as the API wants it; SDKs mean it so.
      guard isClosed || (schema["properties"]?.count ?? 0) > 0 else { throw Refusal("an object with free members") }
      made["additionalProperties"] = JSON(false)
    }
    if types == ["array"], schema["items"] == nil { throw Refusal("an array of anything") }
    return finished(made, words)
  }

  private mutating func properties(
    _ given: JSON, _ schema: JSON, _ depth: Int, _ words: inout [String]
  ) throws(Refusal) -> JSON {
    let made = JSON.object
    let required = Set(schema["required"]?.elements.compactMap(\.string) ?? [])
    for (name, value) in given.members {
      if !required.contains(name) { optional += 1 }
      let part = try compile(value, depth + 1)
      made[name] = part.schema
      if let about = part.words { words.append("\(name): \(about)") }
    }
    return made
  }

  /// A choice of schemas. The API knows `anyOf`, which may stand beside no other structure.
  mutating func choice(_ schema: JSON, _ types: [String], _ depth: Int) throws(Refusal) -> JSON {
    let key = schema["anyOf"] != nil ? "anyOf" : "oneOf"
    let hasOwn = SchemaTypes.structural.contains { schema[$0] != nil }
    if hasOwn {
      // The choice only narrows the schema, or it can't be sent at all.
      guard types.count == 1 else { throw Refusal("\(key) beside other keywords") }
      let other = schema.shallowCopy()
      var words: [String] = []
      for key in ["anyOf", "oneOf"] {
        guard let variants = schema[key] else { continue }
        guard SchemaTypes.addNoProperties(variants.elements.map { $0 }, to: schema["properties"]) else {
          throw Refusal("\(key) that adds properties")
        }
        other[key] = nil
        say(key, variants, &words)
      }
      return finished(try compile(other, depth + 1).schema, words)
    }
    guard schema["anyOf"] == nil || schema["oneOf"] == nil else { throw Refusal("anyOf beside oneOf") }
    unions += 1
    let made = JSON.object
    var words: [String] = []
    if key == "oneOf" { say(key, JSON("exactly one"), &words) }
    for (name, value) in schema.members where !SchemaTypes.saysNothing(name, value) {
      switch name {
      case "type": break
      case key:
        let variants = JSON.array
        for variant in value.elements {
          let part = try compile(variant, depth + 1, inheriting: types)
          variants.append(part.schema)
          if let about = part.words { words.append("\(part.schema["$ref"]?.string ?? "one variant"): \(about)") }
        }
        made["anyOf"] = variants
      default: annotate(name, value, made, &words)
      }
    }
    return finished(made, words)
  }

  // MARK: Words

  /// A keyword that is not about structure: kept if the API takes it, else moved to the description.
  private mutating func annotate(_ key: String, _ value: JSON, _ made: JSON, _ words: inout [String]) {
    switch key {
    case "title", "description": made[key] = value
    case "default" where !value.isObject && !value.isArray: made[key] = value
    default: say(key, value, &words)
    }
  }

  private mutating func say(_ key: String, _ value: JSON, _ words: inout [String]) {
    words.append("\(key): \(value.text)")
    inWords.add(key)
  }

  private func finished(_ made: JSON, _ words: [String]) -> JSON {
    words.isEmpty ? made : made.described("{" + words.joined(separator: ", ") + "}")
  }

  private static let formats: Set<String> = [
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
  ]
}

/// The regular expressions that the API compiles.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations>
enum RegularExpression {
  /// A repetition beyond this makes a grammar large.
  private static let maxRepeats = 64

  /// Whether it is made of literals, classes, groups and plain repetitions alone, with anchors at its ends.
  static func isCompiled(_ pattern: String) -> Bool {
    let text = Array(pattern.unicodeScalars)
    var at = 0
    var depth = 0
    var mayRepeat = false
    while at < text.count {
      switch text[at] {
      case "^": guard at == 0 else { return false }
      case "$": guard at == text.count - 1 else { return false }
      case "(":
        if at + 1 < text.count, text[at + 1] == "?" { return false }
        depth += 1
        mayRepeat = false
        at += 1
        continue
      case ")":
        depth -= 1
        guard depth >= 0 else { return false }
      case "|":
        mayRepeat = false
        at += 1
        continue
      case "[":
        guard let end = endOfClass(text, at) else { return false }
        at = end
      case "\\":
        guard at + 1 < text.count, isPlainEscape(text[at + 1]) else { return false }
        at += 1
      case "*", "+", "?":
        guard mayRepeat else { return false }
        mayRepeat = false
        at += 1
        continue
      case "{":
        guard mayRepeat, let end = endOfCount(text, at) else { return false }
        at = end + 1
        mayRepeat = false
        continue
      case "}", "]": return false
      default: break
      }
      mayRepeat = text[at] != "^" && text[at] != "$"
      at += 1
    }
    return depth == 0
  }

  /// `\d`, `\w`, `\s`, the white space escapes, and a sign that stands for itself.
  private static func isPlainEscape(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.isASCII else { return false }
    if "dwsDWSntr".unicodeScalars.contains(scalar) { return true }
    let isWord = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_"
    return !isWord && scalar.value > 0x20
  }

  private static func endOfClass(_ text: [Unicode.Scalar], _ start: Int) -> Int? {
    var at = start + 1
    if at < text.count, text[at] == "^" { at += 1 }
    let first = at
    while at < text.count, text[at] != "]" {
      if text[at] == "[" { return nil }
      if text[at] == "\\" {
        guard at + 1 < text.count, isPlainEscape(text[at + 1]) else { return nil }
        at += 1
      }
      at += 1
    }
    return at < text.count && at > first ? at : nil
  }

  private static func endOfCount(_ text: [Unicode.Scalar], _ start: Int) -> Int? {
    guard let end = text[start...].prefix(12).firstIndex(of: "}") else { return nil }
    let bounds = String(String.UnicodeScalarView(text[start + 1..<end])).split(
      separator: ",", omittingEmptySubsequences: false)
    guard let low = bounds.first.flatMap({ Int($0) }), low >= 0, low <= maxRepeats, bounds.count <= 2 else {
      return nil
    }
    if bounds.count == 1 || bounds[1].isEmpty { return end }
    guard let high = Int(bounds[1]), high >= low, high <= maxRepeats else { return nil }
    return end
  }
}
