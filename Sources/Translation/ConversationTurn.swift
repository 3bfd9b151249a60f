// SPDX-License-Identifier: MIT
import Jansson

extension Conversation {
  struct Turn {
    enum Role { case user, assistant, system }
    var role: Role
    var blocks: [JSON]
    /// Tool results of a user turn by the id of their call, "" where there is none, in the order they came.
    var results: [(id: String, block: JSON)] = []
    private var places: [String: Int] = [:]

    init(role: Role, blocks: [JSON] = []) {
      self.role = role
      self.blocks = blocks
    }

    var isEmpty: Bool { blocks.isEmpty && results.isEmpty }

    /// Adds a result; true where it takes the place of an earlier one of the same call.
    mutating func put(_ result: JSON, of id: String) -> Bool {
      guard !id.isEmpty, let earlier = places.updateValue(results.count, forKey: id) else {
        results.append((id, result))
        return false
      }
      places[id] = earlier
      results[earlier].block = result
      return true
    }
  }
}
