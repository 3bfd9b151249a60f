// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// What the ctx of an answer tells of the request, for the response.
struct ResponsesNote {
  /// The client asked for a stream.
  let isStream: Bool
  /// Reasoning was asked for: one item of it at least.
  let reasons: Bool
  /// The text of thinking is shown.
  let summarizes: Bool
  /// The client gets the sealed thinking.
  let isEncrypted: Bool
  /// A store later in the pipeline may keep the response.
  let keeps: Bool
  /// The members that the response repeats, from a comma on.
  private let echo: [UInt8]

  init(_ ctx: ByteSlice?) {
    let note = ctx.flatMap { Scan.member("resp2anth", of: $0) }
    func flag(_ name: StaticString) -> Bool { note.flatMap { Scan.member(name, of: $0) }?.equals("true") ?? false }
    isStream = flag("stream")
    reasons = flag("reasoning")
    summarizes = flag("summary")
    isEncrypted = flag("encrypted")
    keeps = ctx.flatMap { Scan.member("responses-store", of: $0) } != nil
    echo = Self.echo(of: note.flatMap { Scan.member("echo", of: $0) })
  }

  func appendEcho(to bytes: inout Bytes) { echo.withUnsafeBufferPointer { bytes.append($0) } }

  private static func echo(of given: ByteSlice?) -> [UInt8] {
    var made = Bytes()
    var names: Set<String> = []
    if let given {
      Scan.members(given) { name, value in
        guard names.insert(name.text).inserted else { return true }
        append(name, value, to: &made)
        return true
      }
    }
    defaults.withUTF8Buffer {
      _ = Scan.members($0) { name, value in
        if !names.contains(name.text) { append(name, value, to: &made) }
        return true
      }
    }
    return Array(made.slice)
  }

  private static func append(_ name: ByteSlice, _ value: ByteSlice, to made: inout Bytes) {
    made.append(",\"")
    made.append(name)
    made.append("\":")
    made.append(value)
  }

  /// What OpenAI's API says of a request that says nothing, where the SDKs' types want it.
  private static let defaults: StaticString =
    #"{"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":true,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","user":null}"#
}
