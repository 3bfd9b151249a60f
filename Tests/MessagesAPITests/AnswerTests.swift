// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Records
import Testing

@Suite("answers")
struct AnswerTests {
  private static let stream = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "request-id: req_1"]
  private static let begin =
    #"{"rid":"r1","ctx":{"op":"messages"},"begin":{"status":200,"headers":{"request-id":"req_1"}}}"#
  private static let events = """
    event: message_start
    data: {"type":"message_start","message":{"model":"m-1","usage":{"input_tokens":10,"output_tokens":1,"x":{"y":1.50}}}}

    event: ping
    data: {"type": "ping"}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\u00e9\\/"}, "n": 1e400}

    event: message_delta
    data: {"type":"message_delta","delta":{},"usage":{"output_tokens":20,"input_tokens":null}}


    """
  private static let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

  private static func datas(_ text: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map {
      "{\"rid\":\"r1\",\"event\":\($0.dropFirst(6))}"
    }
  }

  @Test("a stream, in pieces", arguments: [1, 7, .max])
  func stream(pieceSize: Int) {
    let said = records(of: (Self.stream, Self.events + Self.stop), pieceSize: pieceSize)
    let end =
      #"{"rid":"r1","end":{"model":"m-1","usage":{"input_tokens":10,"x":{"y":1.50},"output_tokens":20},"ttft_ms":7}}"#
    let expected = [Self.begin] + Self.datas(Self.events + Self.stop) + [end]
    #expect(said.text == expected.joined(separator: "\n") + "\n")
  }

  @Test("white space around an event is none of it")
  func spaces() {
    let spaced = Self.stop.replacing("data: ", with: "data:\ndata:   ")
    #expect(records(of: (Self.stream, spaced)).text == records(of: (Self.stream, Self.stop)).text)
  }

  @Test("what follows the end is passed over")
  func afterTheEnd() {
    let whole = records(of: (Self.stream, Self.events + Self.stop))
    #expect(records(of: (Self.stream, Self.events + Self.stop + "data: nonsense\n\n")).text == whole.text)
    #expect(records(of: (Self.stream, Self.events + Self.stop), isWhole: false).text == whole.text)
  }

  @Test("a stream without its end", arguments: [true, false])
  func cutStream(isWhole: Bool) {
    let lines = records(of: (Self.stream, Self.events), isWhole: isWhole).text.split(separator: "\n")
    #expect(lines.count == 7)
    #expect(lines[5].hasPrefix(#"{"rid":"r1","error":{"status":502,"headers":{"request-id":"req_1"},"body":{"type":"#))
    #expect(lines[6].hasPrefix(#"{"rid":"r1","end":{"model":"m-1","#))
  }

  @Test(
    "an error in the stream",
    arguments: [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500), ("new_error", 500)])
  func streamError(type: String, status: Int) {
    let body = #"{"type":"error","error":{"type":""# + type + #"","message":"no \/ more"}}"#
    let lines = records(of: (Self.stream, "event: error\ndata: \(body)\n\n")).text.split(separator: "\n")
    #expect(
      lines == [
        Substring(
          #"{"rid":"r1","ctx":{"op":"messages"},"error":{"status":\#(status),"headers":{"request-id":"req_1"},"body":\#(body)}}"#
        ),
        #"{"rid":"r1","end":{}}"#,
      ])
  }

  @Test(
    "what could break out of a record",
    arguments: ["nonsense", "{\"a\":1},\"x\":{}", "{\"a\":\"", "[1]", "{\"a\":1}}", "12"])
  func badEvent(data: String) {
    let lines = records(of: (Self.stream, "data: \(data)\n\n")).text.split(separator: "\n")
    #expect(lines.count == 2 && lines[0].contains(#""error":{"status":502"#))
  }

  @Test("a whole answer", arguments: [1, 7, .max])
  func whole(pieceSize: Int) {
    let said = records(
      of: (
        ["HTTP/2 200", "content-type: application/json"],
        "{\n \"model\" : \"m\",\r\n\"content\":[],\"usage\":{\"a\": 1.0}\n}\n"
      ),
      pieceSize: pieceSize)
    #expect(
      said.text == """
        {"rid":"r1","ctx":{"op":"messages"},"begin":{"status":200,"headers":{}}}
        {"rid":"r1","response":{  "model" : "m",  "content":[],"usage":{"a": 1.0} } }
        {"rid":"r1","end":{"model":"m","usage":{"a": 1.0},"ttft_ms":9}}

        """)
  }

  @Test("an answer that is not JSON", arguments: ["", "<html>", "{\"a\":1", "{\"a\":1}{}"])
  func notJSON(body: String) {
    let said = records(of: (["HTTP/1.1 200 OK", "content-type: text/html"], body))
    #expect(
      said.text.contains(#""error":{"status":502,"headers":{},"body":{"type":"error","error":{"type":"api_error""#))
    #expect(said.text.contains(#""ctx":{"op":"messages"},"error""#))
  }

  @Test("errors keep their body where it is the API's")
  func errors() {
    let body = #"{"type":"error","error":{"type":"rate_limit_error","message":"slow \u0041"},"n":1.0}"#
    let head = ["HTTP/1.1 429 Too Many", "Retry-After: 12", "anthropic-ratelimit-x: 1", "set-cookie: a=b", "x-own: 1"]
    #expect(
      records(of: (head, body)).text == """
        {"rid":"r1","ctx":{"op":"messages"},"error":{"status":429,"headers":{"retry-after":"12",\
        "anthropic-ratelimit-x":"1"},"body":\(body)}}
        {"rid":"r1","end":{}}

        """)
    for other in ["<html>", "", "{}", #"{"error":"text"}"#] {
      let text = records(of: (["HTTP/1.1 529 Overloaded"], other)).text
      #expect(text.contains(#""status":529,"headers":{},"body":{"type":"error","error":{"type":"overloaded_error""#))
    }
  }

  @Test("a redirect is no answer", arguments: [204, 301, 302, 307])
  func redirect(status: Int) {
    let said = records(of: (["HTTP/1.1 \(status) Elsewhere", "location: http://elsewhere/"], ""))
    #expect(said.text.contains(#""error":{"status":502"#) && !said.text.contains("elsewhere"))
  }

  @Test("a head that comes twice counts once")
  func informational() {
    let said = records(
      of: (
        ["HTTP/1.1 103 Early", "request-id: early", "", "HTTP/1.1 200 OK", "content-type: application/json"],
        #"{"content":[]}"#
      ))
    #expect(said.text.hasPrefix(#"{"rid":"r1","ctx":{"op":"messages"},"begin":{"status":200,"headers":{}}}"#))
  }

  @Test("declined before the first event only")
  func declined() {
    let error = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\"}}\n\n"
    let early = records(of: (Self.stream, error), declined: [529])
    #expect(early.isDeclined && early.text.isEmpty)
    let late = records(of: (Self.stream, Self.events + error), declined: [529])
    #expect(!late.isDeclined && late.text.hasPrefix(Self.begin) && late.text.contains(#""error":{"status":529"#))
    let other = records(of: (["HTTP/1.1 500 Oh"], ""), declined: [529])
    #expect(!other.isDeclined && other.text.contains(#""status":500"#))
  }

  @Test("bare answers")
  func bare() {
    let said = records(of: (Self.stream, Self.events + Self.stop), isBare: true)
    let expected = (Self.events + Self.stop).split(separator: "\n").filter { $0.hasPrefix("data: ") }
    #expect(said.text.split(separator: "\n") == expected.map { $0.dropFirst(6) })
    let failed = records(of: (["HTTP/1.1 500 Oh"], ""), isBare: true)
    #expect(
      failed.text
        == #"{"type":"error","error":{"type":"api_error","message":"the API answered with status 500"}}"# + "\n")
  }
}
