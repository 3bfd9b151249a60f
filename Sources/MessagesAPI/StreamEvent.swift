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

/// The order of a stream's events: one message from its start to its stop. Without the start the stream is of another
/// API, and with a second one two answers would become one.
struct EventOrder {
  private var hasMessage = false

  /// Takes the next event that is no error. Returns why it can't come now, nil where it can.
  mutating func take(_ event: StreamEvent, _ data: ByteSlice) -> String? {
    guard event == .messageStart else {
      let isAllowed = hasMessage || Scan.plainString(Scan.member("type", of: data))?.equals("ping") == true
      return isAllowed ? nil : "the API's stream does not begin with a message"
    }
    if hasMessage { return "the API sent a second message in one stream" }
    hasMessage = true
    let hasBody = Scan.member("message", of: data)?[0] == UInt8(ascii: "{")
    return hasBody ? nil : "the API sent a message_start event without its message"
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
