// SPDX-License-Identifier: MIT
import Jansson

extension APIError {
  /// The refusal of a field that is absent, or is not what it must be.
  ///
  /// - Parameters:
  ///   - expected: with its article: `an array`.
  ///   - value: what stands there; null counts as absent, as in OpenAI's API.
  package static func expected(_ expected: String, at path: String, got value: JSON?, param: String? = nil) -> APIError
  {
    guard let value, !value.isNull else { return .invalid("\(path): Field required", param: param ?? path) }
    return .invalid("\(path): expected \(expected), got \(value.described)", param: param ?? path)
  }
}

extension String {
  /// The text as an error message may repeat it: a client may write megabytes where a word should stand.
  package var clipped: String { utf8.count <= 64 ? self : prefix(60) + "…" }
}
