// SPDX-License-Identifier: MIT
import JSONText

/// One line of the CLI's stdout, as a scan of its outermost members shows it.
package enum CLILine {
  /// An event of the upstream's stream, of the conversation itself.
  case event(ByteSlice, EventType, isAbandoned: Bool)
  /// The transcript has been read: the session stands.
  case started
  /// The CLI says of itself that the request failed; what follows of the stream may be made up.
  case apiError
  /// The turn is over for the CLI; the whole line.
  case result(ByteSlice)
  /// The CLI asks the API, or is about to ask again after a failure.
  case asking
  /// How full the login's windows are; the inside of `rate_limit_info`.
  case rateLimit(ByteSlice)
  /// An answer to a frame of ours; the inside of `response`.
  case control(ByteSlice)
  /// A user frame of ours is done with; its id.
  case completed(ByteSlice)
  case other

  package enum EventType {
    case messageStart, blockStart, blockDelta, blockStop, messageDelta, messageStop, other
  }

  package init(_ line: ByteSlice) {
    var type: ByteSlice?
    var subtype: ByteSlice?
    var payload: ByteSlice?
    var isSide = false
    var isAbandoned = false
    var isError = false
    var command: ByteSlice?
    var isCompleted = false
    var isRequesting = false
    // `type` is not always the first member, and what matters may stand behind the payload.
    let isObject = Scan.members(line) { key, value in
      switch key.count {
      case 4 where key.equals("type"): type = Scan.plainString(value)
      case 5 where key.equals("event"): payload = value
      case 5 where key.equals("state"): isCompleted = Scan.plainString(value)?.equals("completed") == true
      case 6 where key.equals("status"): isRequesting = Scan.plainString(value)?.equals("requesting") == true
      case 7 where key.equals("subtype"): subtype = Scan.plainString(value)
      case 8 where key.equals("response"): payload = value
      case 12 where key.equals("command_uuid"): command = Scan.plainString(value)
      case 15 where key.equals("rate_limit_info"): payload = value
      case 16 where key.equals("abandoned_blocks"): isAbandoned = !value.equals("null")
      case 18 where key.equals("parent_tool_use_id"): isSide = !value.equals("null")
      case 20 where key.equals("is_api_error_message"): isError = value.equals("true")
      default: break
      }
      return true
    }
    guard isObject, let type else {
      self = .other
      return
    }
    switch type.count {
    case 12 where type.equals("stream_event"):
      guard let payload, !isSide, payload.first == UInt8(ascii: "{") else {
        self = .other
        return
      }
      self = .event(payload, Self.type(of: payload), isAbandoned: isAbandoned)
    case 9 where type.equals("assistant"): self = isError && !isSide ? .apiError : .other
    case 6 where type.equals("result"): self = .result(line)
    case 6 where type.equals("system"):
      let isAsking = subtype?.equals("status") == true && isRequesting || subtype?.equals("api_retry") == true
      self = subtype?.equals("init") == true ? .started : isAsking ? .asking : .other
    case 16 where type.equals("rate_limit_event"): self = payload.map { .rateLimit($0) } ?? .other
    case 16 where type.equals("control_response"): self = payload.map { .control($0) } ?? .other
    case 17 where type.equals("command_lifecycle"):
      self = isCompleted ? command.map { .completed($0) } ?? .other : .other
    default: self = .other
    }
  }

  private static func type(of event: ByteSlice) -> EventType {
    guard let type = Scan.plainString(Scan.member("type", of: event)) else { return .other }
    if type.equals("content_block_delta") { return .blockDelta }
    if type.equals("content_block_start") { return .blockStart }
    if type.equals("content_block_stop") { return .blockStop }
    if type.equals("message_start") { return .messageStart }
    if type.equals("message_delta") { return .messageDelta }
    return type.equals("message_stop") ? .messageStop : .other
  }
}
