// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// The environment of a child: chosen, not inherited.
package enum ChildEnvironment {
  /// Our own.
  package static var ours: [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let pair = String(cString: text)
      if let equals = pair.firstIndex(of: "=") {
        variables[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      entry += 1
    }
    return variables
  }

  /// What a child gets, as `NAME=value`, in a fixed order.
  ///
  /// - Parameters:
  ///   - omitted: names of the fixed table that are left out.
  ///   - folder: where the child writes what nobody else needs; nil where it writes nothing.
  package static func make(
    from ours: [String: String], auth: Auth, client: String, betas: [String] = [], omitting omitted: Set<String> = [],
    folder: ChildFolder? = nil
  ) -> [String] {
    let credentials = Contract.credentials(auth)
    var entries: [String] = []
    var ours = ours
    if let folder {
      ours[Contract.temporary] = folder.temporary
      // A login lies in the owner's, and on some systems is keyed by its place.
      if auth == .key { ours[Contract.configuration] = folder.path }
    }
    for (name, value) in ours {
      guard
        Contract.inherited.contains(name) || credentials.contains(name) || name.hasPrefix(Contract.inheritedPrefix),
        !value.isEmpty
      else { continue }
      entries.append("\(name)=\(value)")
    }
    for (name, value) in Contract.fixed where !omitted.contains(name) { entries.append("\(name)=\(value)") }
    entries.append("\(Contract.clientName)=\(client)")
    if !betas.isEmpty { entries.append("\(Contract.betas)=\(betas.joined(separator: ","))") }
    return entries.sorted()
  }

  /// The names that an `anthropic-beta` header lists, in its order, each once.
  ///
  /// What isn't made of letters, digits, `-`, `_` and `.` is no name; more than 32 are not taken.
  package static func betas(of header: String) -> (names: [String], refused: Bool) {
    var names: [String] = []
    var refused = false
    for piece in header.split(separator: ",") {
      let name = piece.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
      let text = String(name)
      guard !text.isEmpty, text.utf8.count <= 64, text.utf8.allSatisfy(isNameByte), names.count < 32 else {
        refused = refused || !text.isEmpty
        continue
      }
      if !names.contains(text) { names.append(text) }
    }
    return (names, refused)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-_.") }
}
