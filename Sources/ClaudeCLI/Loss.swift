// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Something of a request that the CLI can't carry exactly.
package struct Loss: Equatable, Sendable {
  /// The request's field, in the client's terms: `system`, `messages[2].name`.
  package var field: String
  /// What became of it: a verb, and more where that helps.
  package var fate: String

  package init(_ field: String, _ fate: String) {
    self.field = field
    self.fate = fate
  }
}
