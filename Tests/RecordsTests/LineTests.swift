// SPDX-License-Identifier: MIT
import JSONText
import Records
import Testing

/// The parts of a line as texts, to be kept beyond it.
struct Parts: Equatable {
  var form: Line.Form
  var kind: Line.Kind
  var rid = ""
  var ctx: String?
  var payload: String

  init(_ form: Line.Form, _ kind: Line.Kind, rid: String = "", ctx: String? = nil, _ payload: String) {
    (self.form, self.kind, self.rid, self.ctx, self.payload) = (form, kind, rid, ctx, payload)
  }

  init?(scanning text: [UInt8]) {
    let parts = text.withUnsafeBufferPointer { bytes in
      Line(scanning: bytes).map { Parts($0.form, $0.kind, rid: $0.rid.text, ctx: $0.ctx?.text, $0.payload.text) }
    }
    guard let parts else { return nil }
    self = parts
  }
}

@Suite("lines")
struct LineTests {
  static let records: [(String, Parts)] = [
    (#"{"rid":"a","request":{}}"#, Parts(.record, .request, rid: "a", "{}")),
    (#"{"rid":"a","cancel":true}"#, Parts(.record, .cancel, rid: "a", "true")),
    (
      #"{"rid":"a","ctx":{"x":"}"},"begin":{"status":200}}"#,
      Parts(.record, .begin, rid: "a", ctx: #"{"x":"}"}"#, #"{"status":200}"#)
    ),
    (#"{"rid":"a","event":"[DONE]"}"#, Parts(.record, .event, rid: "a", #""[DONE]""#)),
    (#"{"rid":"a","response":[1]}"#, Parts(.record, .response, rid: "a", "[1]")),
    (#"{"rid":"a","error":{}}"#, Parts(.record, .error, rid: "a", "{}")),
    (#"{"rid":"a","end":{}}"#, Parts(.record, .end, rid: "a", "{}")),
    (#"{"rid":"a","http":{}}"#, Parts(.record, .http, rid: "a", "{}")),
    (#"{"rid":"a","data":"x"}"#, Parts(.record, .data, rid: "a", #""x""#)),
    (#"{"rid":"a","novelty":7}"#, Parts(.record, .other, rid: "a", "7")),
    (#"{"rid":"\"\u0061","end":{}}"#, Parts(.record, .end, rid: #"\"\u0061"#, "{}")),
    (#"{"rid":"","end":{}}"#, Parts(.record, .end, rid: "", "{}")),
    (
      " { \"rid\" : \"a\" , \"ctx\" : { } , \"event\" : { \"b\" : 1 } } \r",
      Parts(.record, .event, rid: "a", ctx: "{ }", "{ \"b\" : 1 }")
    ),
  ]

  @Test("records", arguments: records)
  func record(_ text: String, _ parts: Parts) {
    #expect(Parts(scanning: Array(text.utf8)) == parts)
  }

  @Test(
    "bare bodies",
    arguments: [
      "{}", #"{"model":"m"}"#, #"{"Rid":"a"}"#, #"{"ridx":"a"}"#, #"{"model":"m","rid":7}"#, "[1]", "7", "\"x\"",
      "not JSON", "}", "\"", "{", #"{"rid"#, #"{"rid""#,
    ])
  func bare(_ text: String) {
    #expect(Parts(scanning: Array(text.utf8)) == Parts(.bare, .other, text))
  }

  @Test(
    "what began as a record and is none, or has its rid in another place",
    arguments: [
      (#"{"rid":7,"end":{}}"#, ""), (#"{"rid":"a"}"#, "a"), (#"{"rid":"a","end"}"#, "a"), (#"{"rid":"a","end":}"#, "a"),
      (#"{"rid":"a","end":{"#, "a"), (#"{"rid":"a" "end":{}}"#, "a"), (#"{"rid":"a","ctx":7,"end":{}}"#, "a"),
      (#"{"rid":"a","ctx":{},}"#, "a"), (#"{"rid":"a","ctx":{"b":"#, "a"), (#"{"rid":"a,"end":{}}"#, "a,"),
      (#"{"rid":"a"#, ""), (#"{"rid":"#, ""),
      (#"{"model":"m","rid":"a"}"#, "a"), (#"{"ctx":{"rid":"b"},"end":{},"rid":"a"}"#, "a"),
    ])
  func broken(_ text: String, _ rid: String) {
    let parts = Parts(scanning: Array(text.utf8))
    #expect(parts?.form == .broken)
    #expect(parts?.rid == rid)
  }

  @Test("a payload whose last brace is the record's own is for those to find who parse it")
  func unbalanced() {
    #expect(Parts(scanning: Array(#"{"rid":"a","end":{}"#.utf8)) == Parts(.record, .end, rid: "a", "{"))
  }

  @Test("white space alone is no line", arguments: ["", " ", "\r", "\t \r"])
  func empty(_ text: String) {
    #expect(Parts(scanning: Array(text.utf8)) == nil)
  }

  @Test("a record cut short anywhere is scanned without a trap")
  func cutShort() {
    for (text, _) in Self.records {
      let bytes = Array(text.utf8)
      for end in 0...bytes.count { _ = Parts(scanning: Array(bytes[..<end])) }
    }
  }
}
