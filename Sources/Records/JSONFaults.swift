// SPDX-License-Identifier: MIT
import Jansson
import JSONText

extension APIError {
  /// What a request is answered with whose body is not JSON, or holds too many values.
  package init(body error: JSONError) {
    self =
      error.isTooLarge
      ? .tooManyNodes(JSON.maxNodes) : .invalid("the body is not valid JSON: \(error.reason) at byte \(error.offset)")
  }

  /// What a request is answered with where its answer is not JSON, or holds too many values.
  package init(answer error: JSONError) {
    self.init(
      status: 502,
      error.isTooLarge
        ? "the backend's answer holds more than \(JSON.maxNodes) JSON values (MAX_NODES)"
        : "the backend's answer is not valid JSON: \(error.reason) at byte \(error.offset)")
  }

  /// A body of few bytes may hold so many values that its tree would fill the memory.
  package static func tooManyNodes(_ limit: Int) -> APIError {
    APIError(
      status: 413,
      "the body holds more than \(limit) JSON values (objects, lists, strings, numbers); MAX_NODES sets the limit")
  }
}
