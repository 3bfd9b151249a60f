// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// Names that the Messages API takes, found for names that it refuses; no two get the same.
///
/// The same names in the same order always get the same names: the API's prompt cache compares the bytes.
struct AcceptedNames {
  /// What a name may be made of besides letters and digits, and how long it may be.
  struct Form {
    let allowsDot: Bool
    let limit: Int

    func accepts(_ name: String) -> Bool {
      var name = name
      return name.withUTF8 { accepts($0) }
    }

    func accepts(_ name: ByteSlice) -> Bool { !name.isEmpty && name.count <= limit && name.allSatisfy(allows) }

    func allows(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: allowsDot ? "_-." : "_-") }
  }

  /// `^[a-zA-Z0-9_.-]{1,64}$`
  static let property = Form(allowsDot: true, limit: 64)
  /// `^[a-zA-Z0-9_-]{1,128}$`
  static let tool = Form(allowsDot: false, limit: 128)

  let form: Form
  private var taken: Set<String> = []
  /// The last number that was appended to a name, so that many equal names don't search from the start.
  private var numbers: [String: Int] = [:]

  init(_ form: Form) { self.form = form }

  /// Keeps a name from being given to another.
  mutating func reserve(_ name: String) { taken.insert(name) }

  /// A name for one that the API refuses.
  mutating func name(for refused: String) -> String {
    var base = ""
    for scalar in refused.unicodeScalars {
      base.unicodeScalars.append(scalar.isASCII && form.allows(UInt8(scalar.value)) ? scalar : "_")
    }
    if base.isEmpty { base = "_" }
    if base.utf8.count > form.limit {
      // The end of a long name often is what tells it from others.
      base = base.prefix(form.limit - 9) + "_" + Self.mark(of: refused)
    }
    var name = base
    while !taken.insert(name).inserted {
      let number = numbers[base, default: 1] + 1
      numbers[base] = number
      let end = "_\(number)"
      name = base.prefix(form.limit - end.utf8.count) + end
    }
    return name
  }

  /// Eight hexadecimal digits of a text (FNV-1a).
  private static func mark(of text: String) -> String {
    var hash: UInt32 = 2_166_136_261
    for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 8 - digits.utf8.count) + digits
  }
}

/// The properties of one tool's input that go by another name, since the API refuses their own.
///
/// One name always stands for the same other name, wherever in the input it is met.
struct PropertyNames {
  /// In the order they were met: the client's name, and the one that is sent.
  private(set) var pairs: [(given: String, sent: String)] = []
  /// The same by the client's name; Jansson compares bytes, where Swift's strings are equal if they look the same.
  private let sent = JSON.object

  /// Finds the names that have to be replaced, at any depth of a schema.
  init(in schema: JSON) {
    var names = AcceptedNames(AcceptedNames.property)
    var refused = WordList()
    Self.visit(schema) { name in
      if names.form.accepts(name) { names.reserve(name) } else { refused.add(name) }
    }
    for name in refused.words {
      let other = names.name(for: name)
      sent[name] = JSON(other)
      pairs.append((name, other))
    }
  }

  private static func visit(_ schema: JSON, _ found: (String) -> Void) {
    for (key, value) in schema.members {
      switch SchemaKeyword.all[key] {
      case .schema: visit(value, found)
      case .schemas: for part in value.elements { visit(part, found) }
      case .named, .dependencies:
        for (name, part) in value.members {
          if key == "properties" { found(name) }
          visit(part, found)
        }
      default: break
      }
    }
  }

  /// The schema with the names that are sent; the description of a renamed property has its original name.
  func renamed(schema: JSON) -> JSON {
    guard schema.isObject else { return schema }
    let made = JSON.object
    for (key, value) in schema.members {
      switch SchemaKeyword.all[key] {
      case .schema: made[key] = key == "propertyNames" ? renamed(namesIn: value) : renamed(schema: value)
      case .schemas: made[key] = JSON(array: value.elements.map { renamed(schema: $0) })
      case .named, .dependencies, .nameLists: made[key] = renamed(named: value, key)
      case .required: made[key] = renamed(list: value)
      case .values, .examples: made[key] = renamed(input: value)
      default:
        if key == "const" || key == "default" {
          made[key] = renamed(input: value)
        } else {
          made[key] = key == "$ref" ? renamed(reference: value) : value
        }
      }
    }
    return made
  }

  private func renamed(named parts: JSON, _ key: String) -> JSON {
    let made = JSON.object
    let holdsNames = key != "$defs" && key != "definitions" && key != "patternProperties"
    for (name, part) in parts.members {
      var renamed = part.isArray ? renamed(list: part) : renamed(schema: part)
      if key == "properties", let other = sent[name]?.string {
        let words = "The name of this property is \(JSON(name).text), written \(other) here."
        renamed = (renamed.isObject ? renamed : .object).described(words, after: " ")
      }
      made[holdsNames ? sent[name]?.string ?? name : name] = renamed
    }
    return made
  }

  /// A schema of names: those that it lists are names of properties.
  private func renamed(namesIn schema: JSON) -> JSON {
    let made = renamed(schema: schema)
    if let list = made["enum"] { made["enum"] = renamed(list: list) }
    if let name = made["const"]?.string, let other = sent[name] { made["const"] = other }
    return made
  }

  private func renamed(list: JSON) -> JSON {
    JSON(array: list.elements.map { name in name.string.flatMap { sent[$0] } ?? name })
  }

  /// A pointer may lead through a property.
  private func renamed(reference: JSON) -> JSON {
    guard let text = reference.string, text.hasPrefix("#/") else { return reference }
    var steps = SchemaPointer.steps(of: text)
    for index in steps.indices.dropFirst() where steps[index - 1] == "properties" {
      if let other = sent[steps[index]]?.string { steps[index] = other }
    }
    return JSON(SchemaPointer.text(of: steps))
  }

  /// A value of the tool's input with the names that are sent.
  func renamed(input: JSON) -> JSON { input.renamingKeys { sent[$0]?.string } }
}

extension JSON {
  /// The same value with other names for some of its members, at any depth.
  func renamingKeys(_ other: (String) -> String?) -> JSON {
    if isArray { return JSON(array: elements.map { $0.renamingKeys(other) }) }
    guard isObject else { return self }
    let made = JSON.object
    for (key, value) in members {
      let name = other(key) ?? key
      // Two members never become one.
      made[made[name] == nil && (name == key || self[name] == nil) ? name : key] = value.renamingKeys(other)
    }
    return made
  }
}
