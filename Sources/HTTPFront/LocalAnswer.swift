// SPDX-License-Identifier: MIT
import COpenAPI
import JSONText
import Logs
import NIOCore
import NIOHTTP1
import Records

/// An answer that the front makes itself, whole.
package struct LocalAnswer {
  package var status: Int
  package var headers: [(name: String, value: String)] = []
  package var contentType = "application/json"
  package var body = ByteBuffer()
  /// What the metrics count it as, where it is an error.
  package var errorType: String?
  /// The request's field that was at fault.
  package var errorParam: String?

  package init(status: Int = 200, contentType: String = "application/json", text: String) {
    self.status = status
    self.contentType = contentType
    body.writeString(text)
  }

  /// An error, in the one form that both vendors' SDKs read.
  package init(_ error: APIError, rid: RID) {
    var error = error
    error.message = clipped(error.message, to: FrontLimits.maxMessage)
    status = error.status
    headers = error.headers
    errorType = error.type
    errorParam = error.param
    var text = Bytes()
    text.append(#"{"type":"error","error":"#)
    text.append(error: error)
    text.append(#","request_id":""#)
    text.append(text: rid.text)
    text.append(#""}"#)
    body.writeBytes(text.slice)
  }

  /// The description of the interface; it changes with the program alone.
  static var description: LocalAnswer {
    var answer = LocalAnswer(text: "")
    answer.headers = [("cache-control", "max-age=3600")]
    answer.body = descriptionText
    return answer
  }

  /// One buffer for all answers.
  private static let descriptionText = ByteBuffer(
    bytes: UnsafeBufferPointer(start: copenapi_start(), count: copenapi_length()))

  /// What there is at a path that only says what it takes.
  static func options(_ allowed: [String]) -> LocalAnswer {
    var answer = LocalAnswer(status: 204, text: "")
    answer.headers = [("allow", allowed.joined(separator: ", "))]
    return answer
  }
}

extension Bytes {
  /// Appends what stands under `error` in an error's body.
  mutating func append(error: APIError) {
    append(#"{"type":"#)
    append(quoted: error.type)
    append(",")
    append(members: error)
    append("}")
  }

  /// Appends the members of an error that all forms have under the same names.
  private mutating func append(members error: APIError) {
    append(#""message":"#)
    append(quoted: error.message)
    append(#","param":"#)
    if let param = error.param { append(quoted: param) } else { append("null") }
    append(#","code":"#)
    if let code = error.code { append(quoted: code) } else { append("null") }
  }

  /// Appends an error as an event of a stream that has begun.
  mutating func append(event error: APIError, dialect: Dialect, rid: RID) {
    let form = StreamError.form(of: dialect)
    if form.isNamed {
      append("event: error\ndata: ")
      append(#"{"type":"error","#)
    } else {
      append("data: {")
    }
    if form.hasMembersOutside {
      append(members: error)
      append(",")
    }
    append(#""error":"#)
    append(error: error)
    if form.isNamed {
      append(#","request_id":""#)
      append(text: rid.text)
      append("\"")
    }
    append("}\n\n")
  }

  /// Appends the members that all health answers begin with, the opening brace too.
  mutating func append(health status: StaticString, version: String) {
    append(#"{"status":""#)
    append(status)
    append(#"","service":"claude-proxy","version":"#)
    append(quoted: version)
    append(#","timestamp":""#)
    append(text: Log.timestamp())
    append("\"")
  }
}
