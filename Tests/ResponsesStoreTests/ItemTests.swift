// SPDX-License-Identifier: MIT
import JSONText
import Testing

@testable import ResponsesStore

/// Lends the bytes of a text.
func with<R>(_ text: String, _ body: (ByteSlice) throws -> R) rethrows -> R {
  var bytes = Bytes()
  bytes.append(text: text)
  return try body(bytes.slice)
}

@Suite("items")
struct ItemTests {
  @Test(
    "counts values as the check of bodies does",
    arguments: [
      "1", "\"a\"", "[]", "{}", "[1,2,[3]]", #"{"a":{"b":[true,null,-1.5e3]},"c":"\"{[,"}"#,
      #" [ { "a" : "b" } , "c" ] "#,
    ])
  func nodes(_ text: String) throws {
    let count = with(text) { NodeCount.of($0) }
    for (limit, isEnough) in [(count, true), (count - 1, false)] {
      var check = JSONCheck(maxNodes: limit)
      var bytes = Array(text.utf8)
      var fault: JSONCheck.Fault?
      bytes.withUnsafeMutableBufferPointer { buffer in
        do throws(JSONCheck.Fault) { try check.take(buffer) } catch { fault = error }
      }
      #expect((fault?.isTooLarge ?? false) != isEnough)
    }
  }

  @Test(
    "tells references from items",
    arguments: [
      (#"{"type":"item_reference","id":"a"}"#, true), (#"{"id":"a"}"#, true), (#"{"id":"a","type":null}"#, true),
      (#"{"id":"a","role":"user","content":"b"}"#, false), (#"{"id":"a","type":"reasoning"}"#, false),
      (#"{"type":"item_reference"}"#, false), (#"{"id":7}"#, false),
    ])
  func references(_ text: String, isReference: Bool) {
    with(text) { #expect(Item($0)?.isReference == isReference) }
  }

  @Test("is kept with an id and without its seal")
  func kept() {
    let text = #"{"type":"reasoning","encrypted_content":"cpr1.AA", "summary":[]}"#
    with(text) { text in
      var items = ItemList()
      var kept = Bytes()
      items.append(Item(text)!, name: "n")
      items.forEach { (id, item, seal) in
        #expect(id == "rs_n_0")
        #expect(item.text == #"{"id":"rs_n_0","type":"reasoning","summary":[]}"#)
        #expect(seal?.text == #""cpr1.AA""#)
        kept.append(kept: item, seal: seal)
      }
      #expect(kept.text == #"{"id":"rs_n_0","type":"reasoning","summary":[],"encrypted_content":"cpr1.AA"}"#)
    }
  }

  @Test("keeps an item with an id as the bytes that came")
  func asItCame() {
    with(#"{ "id":"msg_1","role":"user", "content":"\u0041" }"#) { text in
      var bytes = Bytes()
      Item(text)!.append(withID: nil, to: &bytes)
      #expect(bytes.text == text.text)
    }
  }

  @Test(
    "lists a message with its content in parts",
    arguments: [
      (
        #"{"id":"a","role":"user","content":"b"}"#,
        #"{"id":"a","role":"user","content":[{"type":"input_text","text":"b"}],"status":"completed","type":"message"}"#
      ),
      (
        #"{"id":"a","role":"assistant","content":"b","status":"incomplete"}"#,
        #"{"id":"a","role":"assistant","content":[{"type":"output_text","text":"b","annotations":[]}],"status":"incomplete","type":"message"}"#
      ),
      (#"{"id":"a","type":"function_call"}"#, #"{"id":"a","type":"function_call"}"#),
    ])
  func listed(_ text: String, expected: String) {
    with(text) { text in
      var bytes = Bytes()
      Item(text)!.append(listedTo: &bytes)
      #expect(bytes.text == expected)
    }
  }
}

@Suite("what a request says")
struct RequestTests {
  @Test("reads owner, time and query")
  func context() {
    with(#"{"http":{"key":"a\"b","time":1800000000000000,"query":"include%5B%5D=x%20y&limit=3&flag"}}"#) { ctx in
      let context = RequestContext(ctx)
      #expect(context.owner == "=a\"b")
      #expect(context.time == 1_800_000_000_000_000)
      #expect(context.parameters.map(\.name) == ["include[]", "limit", "flag"])
      #expect(context.parameters.map(\.value) == ["x y", "3", ""])
    }
  }

  @Test("a client without a key has a namespace of its own, and a time beyond all bounds is none")
  func noKey() {
    with(#"{"http":{"key":"","time":9223372036854775807}}"#) { ctx in
      #expect(RequestContext(ctx).owner == "")
      #expect(RequestContext(ctx).time == 0)
    }
    #expect(RequestContext(nil).owner == "")
  }

  @Test("takes the last of two members, and reads escaped names")
  func members() {
    with(#"{"input":"a","inp\u0075t":"b","store":null,"store":false,"background":true}"#) { body in
      let members = RequestMembers(body)
      #expect(members?.input?.text == #""b""#)
      #expect(members?.store?.text == "false")
      #expect(members?.isRefused == true)
    }
    with("[]") {
      let isNone = if case nil = RequestMembers($0) { true } else { false }
      #expect(isNone)
    }
  }
}
