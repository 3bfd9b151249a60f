// SPDX-License-Identifier: MIT
import JSONText
import Records

/// What an event of the Messages API's stream is, as far as it concerns its relay.
package enum StreamEvent: Equatable {
  case messageStart, messageDelta, messageStop, error
  /// Of a block, a ping, or of a kind that this version doesn't know: handed on.
  case other

  /// Nil where the data is no JSON object, as far as brackets, quotes and UTF-8 show: what could break out of a record.
  package init?(_ data: ByteSlice) {
    guard data[0] == UInt8(ascii: "{"), Scan.endOfValue(data, 0) == Scan.endOfText(data), UTF8Check.isValid(data) else {
      return nil
    }
    if data.starts(with: #"{"type":"content_block_delta""#) {
      self = .other
      return
    }
    guard let type = Scan.plainString(Scan.member("type", of: data)) else {
      // Gateways have been seen to leave the type of an error to the event's name.
      self = Scan.member("error", of: data).map { $0[0] == UInt8(ascii: "{") } == true ? .error : .other
      return
    }
    self =
      if type.equals("message_start") {
        .messageStart
      } else if type.equals("message_delta") {
        .messageDelta
      } else if type.equals("message_stop") {
        .messageStop
      } else {
        type.equals("error") ? .error : .other
      }
  }
}

extension Scan {
  /// The offset behind the last byte that is no white space.
  static func endOfText(_ text: ByteSlice) -> Int {
    var end = text.count
    while end > 0, isSpace(text[end - 1]) { end -= 1 }
    return end
  }
}
