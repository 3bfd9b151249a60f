// SPDX-License-Identifier: MIT
import Jansson

/// JSON Pointers in the fragment of a `$ref`: `#/$defs/a~1b`.
///
/// - SeeAlso: RFC 6901
enum SchemaPointer {
  static func steps(of reference: String) -> [String] {
    reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false).map(decoded)
  }

  static func text(of steps: [String]) -> String {
    var made = "#"
    for step in steps {
      made += "/"
      for character in step.unicodeScalars {
        switch character {
        case "~": made += "~0"
        case "/": made += "~1"
        case "%": made += "%25"
        default: made.unicodeScalars.append(character)
        }
      }
    }
    return made
  }

  /// A step without the escapes of a URI (`%24`) and of a pointer (`~0`, `~1`).
  private static func decoded(_ step: Substring) -> String {
    guard step.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "~") }) else {
      return String(step)
    }
    let bytes = Array(step.utf8)
    var plain: [UInt8] = []
    var at = 0
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count,
        let byte = UInt8(String(decoding: bytes[at + 1...at + 2], as: UTF8.self), radix: 16)
      {
        plain.append(byte)
        at += 3
      } else {
        plain.append(bytes[at])
        at += 1
      }
    }
    var made: [UInt8] = []
    at = 0
    while at < plain.count {
      let next = at + 1 < plain.count && plain[at] == UInt8(ascii: "~") ? plain[at + 1] : 0
      if next == UInt8(ascii: "0") || next == UInt8(ascii: "1") {
        made.append(next == UInt8(ascii: "0") ? UInt8(ascii: "~") : UInt8(ascii: "/"))
        at += 2
      } else {
        made.append(plain[at])
        at += 1
      }
    }
    return String(decoding: made, as: UTF8.self)
  }

  /// The part of a schema that a reference within it points to; nil where there is none.
  static func target(of reference: String, in root: JSON) -> JSON? {
    if reference == "#" { return root }
    guard reference.hasPrefix("#/") else { return nil }
    var part = root
    for step in steps(of: reference) {
      if part.isArray, let index = Int(step), index >= 0, index < part.count {
        part = part[index]
      } else if let next = part[step] {
        part = next
      } else {
        return nil
      }
    }
    return part
  }
}
