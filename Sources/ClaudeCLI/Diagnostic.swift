// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// One line of the CLI's stderr.
///
/// The CLI rewrites the API's errors for a person at its prompt, and sometimes asks again without a word on stdout. Its
/// debug log, which it writes to stderr before it goes on, has the API's own answer to each request. Seen in 2.1.332:
///
///     2026-11-30T21:40:19.630Z [ERROR] API error (attempt 1/1): 400 400 {"type":"error","error":{…},"request_id":"…"}
///     2026-11-30T21:40:19.630Z [ERROR] Error streaming (non-streaming fallback disabled): {"type":"error","error":{…}}
///     2026-11-30T21:40:19.630Z [WARN] Stream connection closed (ECONNRESET) after 1 block(s) yielded — …
///     2026-11-30T21:40:19.630Z [WARN] Mid-stream server error after 1 block(s) yielded — …
///     2026-11-30T21:40:19.630Z [ERROR] countTokens API call failed: 400 {"type":"error","error":{…}}
package enum Diagnostic {
  /// The API answered a request with an error.
  case refused(APIError)
  /// The API answered a request with an error, and the log doesn't say which in a form that can be read.
  case refusedOtherwise
  /// The stream of an answer broke off; the API's own error event, where it sent one that the log shows.
  case broke(APIError)
  /// The API gave no number of tokens.
  case uncounted(APIError?)
  /// Another line of the debug log.
  case log
  /// A line for the person that started the CLI, not of the debug log.
  case notice

  package init(_ line: ByteSlice) {
    guard let text = Self.text(of: line) else {
      self = .notice
      return
    }
    if text.starts(with: "API error (attempt ") {
      self = Self.error(in: text, behind: "): ").map { .refused($0) } ?? .refusedOtherwise
    } else if text.starts(with: "Error streaming (") {
      self = Self.event(in: text).map { .broke($0) } ?? .broke(CLIError.streamBroke)
    } else if text.starts(with: "Mid-stream server error") {
      self = .broke(CLIError.streamFailed)
    } else if text.starts(with: "Stream connection closed") || text.starts(with: "Stream ended ") {
      self = .broke(CLIError.streamBroke)
    } else if text.starts(with: "countTokens API call failed: ") {
      self = .uncounted(Self.error(in: text, behind: "failed: "))
    } else {
      self = .log
    }
  }

  /// What stands after the time and the level; nil where the line is not of the debug log.
  private static func text(of line: ByteSlice) -> ByteSlice? {
    guard line.count > 28, line[4] == UInt8(ascii: "-"), line[10] == UInt8(ascii: "T"), line[23] == UInt8(ascii: "Z"),
      line[24] == UInt8(ascii: " "), line[25] == UInt8(ascii: "["),
      let end = line.offset(of: UInt8(ascii: "]"), from: 26), end + 2 < line.count
    else { return nil }
    return line.cut(end + 2, line.count)
  }

  /// The API's error, written as its status and its body.
  private static func error(in text: ByteSlice, behind mark: StaticString) -> APIError? {
    var at = 0
    while at + mark.utf8CodeUnitCount < text.count, !text.starts(with: mark, at: at) { at += 1 }
    at += mark.utf8CodeUnitCount
    guard at + 3 < text.count, let status = Int(text.cut(at, at + 3).text), (400..<600).contains(status),
      let start = text.offset(of: UInt8(ascii: "{"), from: at)
    else { return nil }
    return error(text.cut(start, text.count), status: status)
  }

  /// The error of an event in the stream, which has no status of its own.
  private static func event(in text: ByteSlice) -> APIError? {
    guard let start = text.offset(of: UInt8(ascii: "{"), from: 0) else { return nil }
    return error(text.cut(start, text.count), status: nil)
  }

  private static func error(_ body: ByteSlice, status: Int?) -> APIError? {
    guard let error = (try? JSON.parse(mending: body))?["error"], error.isObject, let message = error["message"]?.string
    else {
      return nil
    }
    let type = error["type"]?.string
    var found = APIError(status: status ?? APIError.status(of: type ?? ""), type: type, message)
    found.param = error["param"]?.string
    if found.param == nil, found.status == 404, message.hasPrefix("model:") { found.param = "model" }
    found.code = error["code"]?.string
    if let details = error["details"], details.isObject {
      var bytes = Bytes()
      bytes.append(details)
      found.details = bytes.text
    }
    return found
  }
}
