// SPDX-License-Identifier: MIT
import JSONText
import Records
import Testing

/// Says of each line what it was, and refuses those whose payload is `7`.
struct Teller: RecordFilter {
  static var side: Side { .answer }

  mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    if line.payload.equals("7") { throw .invalid("seven") }
    out.bytes.append(text: "\(line.rid.text) \(line.kind) \(line.payload.text)\(line.isBare ? " bare" : "")\n")
  }
  mutating func forget(_ id: RequestID) {}
  mutating func finish(to out: inout Output) { out.bytes.append("finished\n") }
}

/// Forwards requests, and refuses those whose payload is `7`.
struct Forwarder: RecordFilter {
  static var side: Side { .request }

  mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    if line.payload.equals("7") { throw .invalid("seven", param: "number") }
    out.forward(line)
  }
}

@Suite("run loop")
struct RunTests {
  static func said<F: RecordFilter>(
    by filter: F, on text: String, isStrict: Bool = false, maxLine: Int = 1000
  ) -> (lines: [String], notes: [String], failure: Failure?) {
    var run = Run(filter, isStrict: isStrict, maxLine: maxLine)
    var failure: Failure?
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      do throws(Failure) {
        try run.take(bytes)
        try run.finish()
      } catch { failure = error }
    }
    let lines = run.output.bytes.text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    return (lines, run.output.notes.map(\.message), failure)
  }

  @Test("a bare event begins an answer, and its last ends it")
  func bareStream() {
    let (lines, _, _) = Self.said(
      by: Teller(), on: "{\"type\":\"message_start\"}\n{\"type\":\"ping\"}\n{\"type\":\"message_stop\"}\n\"[DONE]\"\n")
    #expect(
      lines == [
        #"bare-1 begin {"status":200,"headers":{}} bare"#, #"bare-1 event {"type":"message_start"} bare"#,
        #"bare-1 event {"type":"ping"} bare"#, #"bare-1 event {"type":"message_stop"} bare"#, "bare-1 end {} bare",
        #"bare-2 begin {"status":200,"headers":{}} bare"#, #"bare-2 event "[DONE]" bare"#, "bare-2 end {} bare",
        "finished",
      ])
  }

  @Test(
    "what a bare body is on the answer side",
    arguments: [
      (#"{"type":"message"}"#, "response"), (#"{"type":"model"}"#, "response"), (#"{"type":"error"}"#, "error"),
      (#"{"type":"novel"}"#, "event"), (#"{"object":"chat.completion.chunk"}"#, "event"),
      (#"{"object":"chat.completion"}"#, "response"), (#"{"error":{}}"#, "error"), (#"{"data":[]}"#, "response"),
      (#"{"input_tokens":1}"#, "response"), ("\"x\"", "event"), ("[1]", "response"), ("not JSON", "response"),
    ])
  func bareKinds(_ body: String, _ kind: String) {
    let lines = Self.said(by: Teller(), on: body + "\n").lines
    #expect(lines.contains { $0.hasPrefix("bare-1 \(kind) ") })
    #expect(lines.contains { $0.hasPrefix("bare-1 begin ") } == (kind != "error"))
    #expect(lines.filter { $0 == "bare-1 end {} bare" }.count == 1)
  }

  @Test("a bare stream that stops is ended by an error")
  func bareEnd() {
    let lines = Self.said(by: Teller(), on: "{\"type\":\"ping\"}\n").lines
    #expect(lines.count == 5)
    #expect(lines[2].hasPrefix(#"bare-1 error {"status":502,"#))
    #expect(lines[3] == "bare-1 end {} bare")
  }

  @Test("an answer that failed is dropped until its end, and others go on")
  func failed() {
    let (lines, notes, _) = Self.said(
      by: Teller(),
      on: """
        {"rid":"a","event":1}
        {"rid":"a","event":7}
        {"rid":"a","event":2}
        {"rid":"b","event":3}
        {"rid":"a","event"
        {"rid":"a","end":{}}
        {"rid":"a","event":4}

        """)
    #expect(lines[0] == "a event 1")
    #expect(lines[1].hasPrefix(#"a error {"status":502,"headers":{},"body":{"type":"error","#))
    #expect(lines[2...] == ["a end {}", "b event 3", "a event 4", "finished"])
    #expect(notes == ["line 2: seven", "line 5: this is not a record"])
  }

  @Test("on the request side a refusal is an error and an end, in order with what passes")
  func refused() {
    let (lines, _, _) = Self.said(
      by: Forwarder(), on: "{\"rid\":\"a\",\"request\":7}\n{\"rid\":\"b\",\"request\":8}\n7\n8\n")
    #expect(
      lines == [
        #"{"rid":"a","ctx":{},"error":{"status":400,"headers":{},"body":{"type":"error","error":"#
          + #"{"type":"invalid_request_error","message":"seven","param":"number"},"request_id":"a"}}}"#,
        #"{"rid":"a","end":{}}"#, #"{"rid":"b","request":8}"#,
        #"{"type":"error","error":{"type":"invalid_request_error","message":"seven","param":"number"}}"#, "8",
      ])
  }

  @Test("a line that is too long is a 413 of its rid, and the next one passes")
  func tooLong() {
    let long = #"{"rid":"a","request":""# + String(repeating: "x", count: 100) + "\"}\n"
    let (lines, notes, _) = Self.said(by: Forwarder(), on: long + "{\"rid\":\"b\",\"request\":8}\n", maxLine: 50)
    #expect(lines[0].hasPrefix(#"{"rid":"a","error":{"status":413,"#))
    #expect(lines[1...] == [#"{"rid":"a","end":{}}"#, #"{"rid":"b","request":8}"#])
    #expect(notes.count == 1)
    let bare = String(repeating: "x", count: 100) + "\n8\n"
    #expect(Self.said(by: Forwarder(), on: bare, maxLine: 50).lines == ["8"])
  }

  @Test(
    "strict ends at the first bad line and says which",
    arguments: [
      ("8\n{\"rid\":\"a\"\n8\n", 2), ("8\n8\n7\n", 3), ("8\n" + String(repeating: "x", count: 60) + "\n", 2),
      ("8\n{\"rid\":\"a\",\"request\":8}", 2),
    ])
  func strict(_ text: String, _ line: Int) {
    let (_, _, failure) = Self.said(by: Forwarder(), on: text, isStrict: true, maxLine: 50)
    #expect(failure?.kind == .badRecord)
    #expect(failure?.line == line)
  }

  @Test("the last line: a record without its end is dropped, a bare body is taken")
  func lastLine() {
    #expect(Self.said(by: Forwarder(), on: #"{"rid":"a","request":8}"#).lines.isEmpty)
    #expect(Self.said(by: Forwarder(), on: #"{"rid":"a","request":8}"#).notes.count == 1)
    #expect(Self.said(by: Forwarder(), on: #"{"a":1}"#).lines == [#"{"a":1}"#])
    #expect(Self.said(by: Forwarder(), on: #"{"a":"#).lines.isEmpty)
  }

  @Test(
    "lines that are taken in place give the same output, whether or not they are lent",
    arguments: [1, 7, 30, 64, .max], [false, true])
  func inPlace(pieceSize: Int, lending: Bool) {
    let text = """
      {"rid":"a","request":8}
      {"rid":"b","unknown":1}

       {"rid":"c","request":8}\r
      {"rid":"d","request":7}
      {"rid":"e","request"
      8
      {"rid":"f","request":8}
      {"rid":"g","request":8}
      {"rid":"h","request":"too long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}
      {"rid":"i","request":8}
      {"a":1}
      """
    let expected = Self.said(by: Forwarder(), on: text, maxLine: 50)
    var run = Run(Forwarder(), maxLine: 50)
    var (said, lent) = ("", 0)
    let bytes = Array(text.utf8)
    #expect(throws: Never.self) {
      for start in stride(from: 0, to: bytes.count, by: min(pieceSize, bytes.count)) {
        try bytes[start..<min(bytes.count, start + min(pieceSize, bytes.count))].withUnsafeBufferPointer { piece in
          try run.take(lines: piece, lending: lending)
          said += run.output.lent.text + run.output.bytes.text
          lent += run.output.lent.count
          run.takeBack()
          run.output.bytes.removeAll()
        }
      }
      try run.finish()
    }
    said += run.output.bytes.text
    #expect(said.split(separator: "\n").map(String.init) == expected.lines)
    #expect(run.output.notes.map(\.message) == expected.notes)
    #expect((lent > 0) == (lending && pieceSize >= 30))
  }

  @Test("what a buffer lent is there until it is taken back")
  func lentByTheBuffer() throws {
    let text = "{\"rid\":\"a\",\"request\":8}\n{\"rid\":\"b\",\"request\":9}\n"
    var run = Run(Forwarder())
    for _ in 1...3 {
      let came = try run.take(lending: true) { room in
        room.copyBytes(from: text.utf8)
        return text.utf8.count
      }
      #expect(came)
      #expect(run.output.lent.text == text)
      #expect(run.output.bytes.count == 0)
      run.takeBack()
      #expect(run.output.lent.isEmpty)
    }
  }
}
