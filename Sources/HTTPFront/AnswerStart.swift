// SPDX-License-Identifier: MIT
import JSONText
import NIOHTTP1
import Records

/// What an `http` record says: `{"status":200,"headers":{"content-type":"text/event-stream"}}`.
package struct AnswerStart {
  package var status: Int
  package var headers: HTTPHeaders

  /// Headers that are the connection's business, not the answer's (RFC 9110, 7.6.1), and ours.
  private static let connectionHeaders: Set<String> = [
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id",
  ]

  /// Nil where it says no status.
  package init?(_ payload: ByteSlice) {
    guard let status = integer(Scan.member("status", of: payload)), (200...599).contains(status) else { return nil }
    self.status = status
    headers = HTTPHeaders()
    guard let object = Scan.member("headers", of: payload) else { return }
    var list: [(String, String)] = []
    var left = FrontLimits.maxAnswerHeaders
    Scan.members(object) { key, value in
      if let name = Self.name(key), let value = string(value), value.utf8.allSatisfy(Self.isFieldByte) {
        // Some are made of request data, such as a model's name.
        let value = clipped(value, to: FrontLimits.maxAnswerHeader)
        left -= name.utf8.count + value.utf8.count
        if left >= 0 { list.append((name, value)) }
      }
      return left > 0
    }
    headers = HTTPHeaders(list)
  }

  /// The name in lower case, unless it can't be one or is not the pipeline's to set.
  private static func name(_ key: ByteSlice) -> String? {
    guard key.count > 0, key.count <= FrontLimits.maxEcho, key.allSatisfy(isTokenByte) else { return nil }
    let isLower = !key.contains { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }
    let name = isLower ? key.text : key.text.lowercased()
    // Which pages may read an answer is for the front to say.
    return connectionHeaders.contains(name) || name.hasPrefix("access-control-") ? nil : name
  }

  private static func isTokenByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-_.") }

  /// No control characters: a header must not be able to begin another one.
  private static func isFieldByte(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }
}

/// The number in a JSON value.
func integer(_ value: ByteSlice?) -> Int? {
  guard let value, value.count > 0, value.count <= 18 else { return nil }
  var number = 0
  for byte in value {
    guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    number = number * 10 + Int(byte - UInt8(ascii: "0"))
  }
  return number
}

/// The text of a JSON string.
func string(_ value: ByteSlice?) -> String? {
  if let plain = Scan.plainString(value) { return plain.text }
  guard let value, value.count >= 2, value[0] == UInt8(ascii: "\"") else { return nil }
  var text = Bytes(capacity: value.count)
  guard text.append(unescaped: value.cut(1, value.count - 1)) else { return nil }
  return text.text
}
