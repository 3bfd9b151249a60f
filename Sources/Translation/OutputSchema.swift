// SPDX-License-Identifier: MIT
import Jansson

/// A JSON Schema that the Messages API can hold a model to, made of one that it may not be able to.
///
/// The API compiles a part of the language, and refuses a request with anything else. So only what is known to compile
/// is sent. A keyword that only narrows the answers goes into the description of its part, as Anthropic's own SDK does
/// it, and the model may follow it. Where the rest would forbid right answers nothing is sent: an object whose members
/// are free would have to be closed.
///
/// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>, and `transform_schema` of the
///   Python SDK
struct OutputSchema {
  /// Why the API can't hold a model to a schema.
  struct Refusal: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// What the API compiles for one request at most, in all its schemas.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs#schema-complexity-limits>
  struct Budget {
    private var tools = 20
    private var optional = 24
    private var unions = 16

    /// Takes what a schema needs, or nothing.
    mutating func spend(_ schema: OutputSchema, isTool: Bool) throws(Refusal) {
      guard !isTool || tools > 0 else { throw Refusal("more than 20 strict tools") }
      guard schema.optional <= optional else { throw Refusal("more than 24 optional properties in all") }
      guard schema.unions <= unions else { throw Refusal("more than 16 unions in all") }
      if isTool { tools -= 1 }
      optional -= schema.optional
      unions -= schema.unions
    }
  }

  let schema: JSON
  /// The keywords that only a description holds now.
  let inWords: WordList
  /// The keywords that were invalid or of an older draft.
  let repaired: WordList
  /// How many properties may be left out, and how many unions of types there are.
  let optional: Int
  let unions: Int

  init(compiling given: JSON) throws(Refusal) {
    var repairs = SchemaRepairs()
    let root = repairs.valid(given)
    var compiler = SchemaCompiler()
    var made = try compiler.compile(root, 0)
    var definitions: [String: [String: JSON]] = [:]
    var number = 0
    while number < compiler.references.count {
      let reference = compiler.references[number]
      guard let target = root[reference.list]?[reference.name] else { throw Refusal("a $ref to nothing") }
      compiler.current = number
      let part = try compiler.compile(target, 1)
      if part.words != nil { compiler.unions += 1 }
      definitions[reference.list, default: [:]][reference.name] = part.inOnePiece
      number += 1
    }
    guard !compiler.hasCycle else { throw Refusal("a schema that holds itself") }
    if compiler.hasInnerID, number > 0 { throw Refusal("an $id inside of a schema with references") }

    var answer = made.schema
    if let first = compiler.references.first, made.schema["$ref"] != nil {
      answer = definitions[first.list]![first.name]!
      // Beside a reference no word may stand, and the root has no part around it.
      definitions[first.list]![first.name] = Part(schema: answer, words: made.words).inOnePiece
      made.words = nil
    }
    guard answer["type"]?.equals("object") == true else { throw Refusal("an answer that need not be an object") }
    for list in ["$defs", "definitions"] {
      guard let compiled = definitions[list] else { continue }
      let parts = JSON.object
      for (name, _) in root[list]!.members { if let part = compiled[name] { parts[name] = part } }
      made.schema[list] = parts
    }
    schema = made.inOnePiece
    inWords = compiler.inWords
    repaired = repairs.repaired
    optional = compiler.optional
    unions = compiler.unions
  }

  /// A compiled part, and words about it that it has no place for: beside a `$ref` nothing may stand.
  struct Part {
    var schema: JSON
    var words: String?

    /// The part with its words, where there is no other part around it.
    var inOnePiece: JSON {
      guard let words else { return schema }
      guard schema["$ref"] != nil else { return schema.described(words) }
      return JSON(object: ["anyOf": JSON(array: [schema]), "description": JSON(words)])
    }
  }
}

/// Compiles the parts of one schema.
struct SchemaCompiler {
  typealias Refusal = OutputSchema.Refusal
  typealias Part = OutputSchema.Part

  var inWords = WordList()
  var optional = 0
  var unions = 0
  /// The definitions that are referred to, in the order they were met.
  private(set) var references: [(list: String, name: String)] = []
  private var numbers: [String: Int] = [:]
  /// The definition being compiled, by its number; -1 for the schema itself.
  var current = -1
  private var edges: [(from: Int, to: Int)] = []
  /// References inside of a schema that has an `$id` have another base.
  private(set) var hasInnerID = false

  /// A schema nested deeper than this is no use to a model, and the stack has an end.
  static let maxDepth = 64

  mutating func compile(_ given: JSON, _ depth: Int, inheriting: [String] = []) throws(Refusal) -> Part {
    guard given.isObject else { throw Refusal("a boolean in the place of a schema") }
    guard depth < Self.maxDepth else { throw Refusal("more than \(Self.maxDepth) schemas one within the other") }
    var schema = given
    if schema["allOf"] != nil { schema = try SchemaMerge.merged(schema) }
    if schema["nullable"]?.bool == true { schema = SchemaTypes.nullable(schema) }
    if depth > 0, schema["$id"] != nil { hasInnerID = true }
    if let reference = schema["$ref"] { return try refer(reference.string ?? "", schema) }

    var types = SchemaTypes.types(of: schema)
    if types.isEmpty { types = inheriting }
    if schema["anyOf"] != nil || schema["oneOf"] != nil {
      return Part(schema: try choice(schema, types, depth), words: nil)
    }
    if schema["enum"] != nil || schema["const"] != nil {
      if let made = try literal(schema, types) { return Part(schema: made, words: nil) }
    }
    if types.count > 1, types.contains("object") || types.contains("array") {
      return Part(schema: try compile(SchemaTypes.split(schema, types), depth + 1).schema, words: nil)
    }
    return Part(schema: try structure(schema, types, depth), words: nil)
  }

  // MARK: References

  /// A reference to a definition at the top. The part around it describes the keywords beside it.
  private mutating func refer(_ reference: String, _ schema: JSON) throws(Refusal) -> Part {
    guard reference != "#" else { throw Refusal("a schema that holds itself") }
    let steps = reference.hasPrefix("#/") ? SchemaPointer.steps(of: reference) : []
    guard steps.count == 2, steps[0] == "$defs" || steps[0] == "definitions" else {
      throw Refusal("a $ref to something else than a definition")
    }
    let key = steps[0] + "/" + steps[1]
    if numbers[key] == nil {
      numbers[key] = references.count
      references.append((steps[0], steps[1]))
    }
    edges.append((current, numbers[key]!))
    var words: [String] = []
    for (key, value) in schema.members where key != "$ref" && !SchemaTypes.saysNothing(key, value) {
      switch key {
      case "title", "description": words.append(value.string ?? value.text)
      case "unevaluatedProperties" where value.bool == false: break
      case "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "items", "prefixItems",
        "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef":
        throw Refusal("\(key) beside a $ref")
      default:
        words.append("{\(key): \(value.text)}")
        inWords.add(key)
      }
    }
    return Part(
      schema: JSON(object: ["$ref": JSON(reference)]), words: words.isEmpty ? nil : words.joined(separator: " "))
  }

  /// Whether a definition leads back to itself. (Kahn's algorithm; a chain of definitions may be long.)
  var hasCycle: Bool {
    var incoming = [Int](repeating: 0, count: references.count)
    var outgoing = [[Int]](repeating: [], count: references.count)
    for edge in edges where edge.from >= 0 {
      incoming[edge.to] += 1
      outgoing[edge.from].append(edge.to)
    }
    var free = incoming.indices.filter { incoming[$0] == 0 }
    var done = 0
    while let one = free.popLast() {
      done += 1
      for next in outgoing[one] {
        incoming[next] -= 1
        if incoming[next] == 0 { free.append(next) }
      }
    }
    return done < references.count
  }
}
