// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// Blocks of an answer that a client of the Responses API keeps without reading them, as `encrypted_content`.
///
/// The text is a version mark and, in URL-safe base64, a JSON array of Anthropic's blocks as they came. It hides
/// nothing and needs no key: the blocks carry the vendor's own signatures, and the API refuses those that were changed.
enum ReasoningSeal {
  private static let mark: StaticString = "cpr1."
  private static let types: Set<String> = ["thinking", "redacted_thinking", "compaction"]

  static func seal(_ blocks: [JSON]) -> JSON {
    var array = Bytes()
    array.append(JSON(array: blocks))
    var text = Bytes(capacity: array.count / 3 * 4 + 16)
    text.append(mark)
    Base64.append(urlSafe: array.slice, to: &text)
    return JSON(utf8: text.slice)
  }

  /// The blocks of a sealed text; nil where it was damaged, or sealed by another service.
  static func open(_ text: JSON) -> [JSON]? {
    var nodesLeft = JSON.maxNodes
    return open(text, nodesLeft: &nodesLeft)
  }

  /// - Parameter nodesLeft: how many JSON values all texts of one request may still hold.
  static func open(_ text: JSON, nodesLeft: inout Int) -> [JSON]? {
    let bytes = text.withUTF8 { text -> [UInt8]? in
      guard text.starts(with: mark) else { return nil }
      return Base64.decode(text.cut(mark.utf8CodeUnitCount, text.count))
    }
    guard let bytes, let bytes,
      let array = try? bytes.withUnsafeBufferPointer({ try JSON.parse($0, nodesLeft: &nodesLeft) }), array.isArray
    else { return nil }
    let blocks = array.elements.map { $0 }
    return blocks.allSatisfy { $0["type"]?.string.map(types.contains) ?? false } ? blocks : nil
  }
}
