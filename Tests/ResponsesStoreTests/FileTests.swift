// SPDX-License-Identifier: MIT
import Foundation
import JSONText
import Jansson
import Records
import Testing

@testable import ResponsesStore

/// One file, and what both ends of the pipe say.
final class Pipe {
  let folder: URL
  var settings: ResponsesFile.Settings
  private var load: ResponseLoader
  private var save: ResponseKeeper

  init(keep: Int = 86_400, maxSize: Int = 256 << 20) {
    folder = FileManager.default.temporaryDirectory.appending(path: "responses-\(UUID().uuidString)")
    settings = ResponsesFile.Settings(path: folder.appending(path: "responses.db").path)
    (settings.keep, settings.maxSize) = (keep, maxSize)
    load = ResponseLoader(settings)
    save = ResponseKeeper(settings)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func said<F: RecordFilter>(_ filter: inout F, _ line: String) throws -> [String] {
    var out = Output()
    try with(line) { if let line = Line(scanning: $0) { try filter.take(line, to: &out) } }
    return out.bytes.text.split(separator: "\n").map(String.init)
  }

  func load(_ line: String) throws -> [String] { try said(&load, line) }
  func save(_ line: String) throws -> [String] { try said(&save, line) }

  /// The body of the request that comes out, and its key; the response is kept under that id.
  @discardableResult
  func turn(_ body: String, id: String, at time: Int = 1_800_000_000, key: String = "k") throws -> (
    body: JSON?, key: Int?
  ) {
    let ctx =
      #"{"op":"messages","dialect":"responses","http":{"key":"\#(key)","time":\#(time)000000}}"#
    let lines = try load(#"{"rid":"r","ctx":\#(ctx),"request":\#(body)}"#)
    let record = try JSON.parse(lines[0])
    guard let sent = record["request"] else { return (nil, nil) }
    let number = record["ctx"]?["responses-store"]?["key"]?.integer
    var marked = Bytes()
    marked.append(record["ctx"] ?? .object)
    _ = try save(#"{"rid":"r","ctx":\#(marked.text),"begin":{"status":200,"headers":{}}}"#)
    let item = #"{"id":"msg_\#(id)","type":"message","role":"assistant","content":[]}"#
    let response = #"{"id":"resp_\#(id)","status":"completed","output":[\#(item)],"model":"m"}"#
    let last = #"{"rid":"r","event":{"type":"response.completed","response":\#(response)}}"#
    #expect(try save(last) == [last])
    _ = try save(#"{"rid":"r","end":{}}"#)
    return (sent, number)
  }

  func ask(_ op: String, _ id: String, at time: Int = 1_800_000_000) throws -> JSON {
    let http = #"{"key":"k","time":\#(time)000000}"#
    let lines = try load(
      #"{"rid":"r","ctx":{"op":"\#(op)","dialect":"responses","id":"\#(id)","http":\#(http)},"request":null}"#)
    let records = try lines.map { try JSON.parse($0) }
    #expect(records[0]["ctx"]?["translated"]?.string == "responses")
    return records.compactMap { $0["response"] }.first ?? records[0]["error"]?["body"] ?? .null
  }
}

@Suite("the file")
struct FileTests {
  @Test("gives a response back as it came, and a conversation in its order")
  func conversation() throws {
    let pipe = Pipe()
    try pipe.turn(#"{"input":"one"}"#, id: "1")
    let two = try pipe.turn(#"{"input":[{"role":"user","content":"two"}],"previous_response_id":"resp_1"}"#, id: "2")
    let items = two.body?["input"].map { Array($0.elements) } ?? []
    #expect(items.count == 3)
    #expect(items[0]["content"]?[0]["text"]?.string == "one")
    #expect(items[1]["id"]?.string == "msg_1")
    #expect(items[2]["content"]?.string == "two")
    #expect(two.key == 2)
    #expect(try pipe.ask("response", "resp_2")["model"]?.string == "m")
    #expect(try pipe.ask("input_items", "resp_2")["data"]?.count == 3)
  }

  @Test(
    "refuses an item that the conversation of the earlier response has already",
    arguments: [
      (#"{"id":"msg_1","role":"user","content":"x"}"#, true), (#"{"type":"item_reference","id":"msg_2"}"#, true),
      (#"{"id":"msg_0","role":"user","content":"x"}"#, true), (#"{"id":"msg_3","role":"user","content":"x"}"#, false),
      (#"{"id":"msg_4","role":"user","content":"x"}"#, false), (#"{"role":"user","content":"x"}"#, false),
    ])
  func again(item: String, isRefused: Bool) throws {
    let pipe = Pipe()
    try pipe.turn(#"{"input":[{"id":"msg_0","role":"user","content":"one"}]}"#, id: "1")
    try pipe.turn(#"{"input":"two","previous_response_id":"resp_1"}"#, id: "2")
    // Of another conversation.
    try pipe.turn(#"{"input":"three"}"#, id: "3")
    let last = try pipe.turn(#"{"input":[\#(item)],"previous_response_id":"resp_2"}"#, id: "5")
    #expect((last.body == nil) == isRefused)
  }

  @Test("a response is in use as long as one that follows it", arguments: [0, 1, 5])
  func expiry(later: Int) throws {
    let pipe = Pipe(keep: 4_000)
    try pipe.turn(#"{"input":"one"}"#, id: "1", at: 10_000)
    try pipe.turn(#"{"input":"two","previous_response_id":"resp_1"}"#, id: "2", at: 14_000)
    #expect(try pipe.ask("response", "resp_1", at: 18_000)["id"]?.string == "resp_1")
    #expect(try pipe.ask("response", "resp_1", at: 18_001 + later)["error"] != nil)
    #expect(try pipe.ask("response", "resp_2", at: 18_001 + later)["error"] != nil)
  }

  @Test("a deleted response stays for those that follow it, and goes with the last of them")
  func deletion() throws {
    let pipe = Pipe()
    try pipe.turn(#"{"input":"one"}"#, id: "1")
    try pipe.turn(#"{"input":"two","previous_response_id":"resp_1"}"#, id: "2")
    try pipe.turn(#"{"input":"two","previous_response_id":"resp_1"}"#, id: "3")
    #expect(try pipe.ask("delete_response", "resp_1")["deleted"]?.bool == true)
    #expect(try pipe.ask("delete_response", "resp_1")["error"] != nil)
    for id in ["2", "3"] {
      #expect(try pipe.ask("input_items", "resp_\(id)")["data"]?.count == 3)
      _ = try pipe.ask("delete_response", "resp_\(id)")
    }
    let database = try Database(path: pipe.settings.path)
    #expect(try database.number("SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM items)") == 0)
  }

  @Test("what is too much makes way by its last use, whatever is left follows what is there")
  func size() throws {
    let pipe = Pipe(maxSize: 1 << 20)
    let text = String(repeating: "x", count: 20_000)
    for number in 0..<200 {
      let previous = number % 5 == 0 ? "" : #","previous_response_id":"resp_\#(number - 1)""#
      try pipe.turn(#"{"input":"\#(text)"\#(previous)}"#, id: "\(number)", at: 1_000_000 + number)
    }
    let database = try Database(path: pipe.settings.path)
    #expect(try database.usedBytes() <= 1 << 20)
    #expect(try database.number("SELECT count(*) FROM responses") > 20)
    #expect(
      try database.number(
        """
        SELECT count(*) FROM responses r WHERE previous IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM responses p WHERE p.number = r.previous)
        """) == 0)
    #expect(
      try database.number(
        """
        SELECT count(*) FROM responses r
        WHERE children <> (SELECT count(*) FROM responses c WHERE c.previous = r.number)
        """) == 0)
    #expect(try pipe.ask("response", "resp_199", at: 1_000_200)["id"]?.string == "resp_199")
  }

  @Test("an answer whose request is gone is passed on, and not kept")
  func gone() throws {
    let pipe = Pipe()
    _ = try pipe.load(#"{"rid":"r","ctx":{"dialect":"responses"},"request":{"input":"x"}}"#)
    _ = try pipe.load(#"{"rid":"r","cancel":true}"#)
    _ = try pipe.save(#"{"rid":"r","ctx":{"responses-store":{"key":1}},"begin":{"status":200}}"#)
    let last = #"{"rid":"r","response":{"id":"resp_1","status":"completed","output":[]}}"#
    #expect(try pipe.save(last) == [last])
    #expect(try pipe.ask("response", "resp_1")["error"]?["message"]?.string == "Response with id 'resp_1' not found.")
  }

  @Test("faults are of the kinds that health names")
  func kinds() {
    func kind(_ code: Int32, _ errno: Int32 = 0) -> Trouble.Kind {
      Trouble(SQLiteFault(code: code, errno: errno, message: "")).kind
    }
    #expect(kind(13) == .full)
    #expect(kind(778, ENOSPC) == .full)
    #expect(kind(778) == .notWritable)
    #expect(kind(266) == .unreadable)
    #expect(kind(8) == .readOnly)
    #expect(kind(517) == .locked)
    #expect(kind(11) == .damaged)
    #expect(kind(26) == .damaged)
    #expect(Trouble(errno: EROFS, "").kind == .readOnly)
  }
}
