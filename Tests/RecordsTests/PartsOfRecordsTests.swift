// SPDX-License-Identifier: MIT
import JSONText
import Records
import Testing

@Suite("what records are made of")
struct PartsOfRecordsTests {
  @Test(
    "an error's type by its status",
    arguments: [
      (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
      (403, "permission_error"), (404, "not_found_error"), (413, "request_too_large"), (418, "invalid_request_error"),
      (429, "rate_limit_error"), (500, "api_error"), (502, "api_error"), (504, "timeout_error"),
      (529, "overloaded_error"),
    ])
  func errorTypes(_ status: Int, _ type: String) {
    #expect(APIError(status: status, "").type == type)
  }

  @Test("a ctx with one member set keeps the others' bytes")
  func context() {
    func setting(_ ctx: String) -> String {
      Array(ctx.utf8).withUnsafeBufferPointer { bytes in
        var made = Bytes()
        made.append(object: bytes, setting: "b") { $0.append("2") }
        return made.text
      }
    }
    #expect(setting(#"{ "a" : 1.0 , "b":7,"c":"\/" }"#) == #"{"a":1.0,"c":"\/","b":2}"#)
    #expect(setting("{}") == #"{"b":2}"#)
  }

  @Test(
    "times",
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (1_709_209_845, "2024-02-29T12:30:45Z"),
      (1_764_000_000, "2025-11-24T16:00:00Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
    ])
  func times(_ seconds: Int, _ text: String) {
    #expect(HealthReport.timestamp(seconds) == text)
  }

  @Test("a ledger keeps 64 losses, each once, and counts the rest")
  func lossLedger() {
    var ledger = LossLedger()
    for number in 0..<70 { ledger.add("f\(number)", "dropped", isKnown: false) }
    ledger.add("f1", "dropped", isKnown: false)
    #expect(ledger.entries.count == 64)
    #expect(ledger.count == 70)
    #expect(ledger.list.hasSuffix("f63 dropped; and 6 more"))
    var other = LossLedger()
    other.dropped("f1")
    other.add(ledger)
    #expect(other.entries.count == 64)
    #expect(other.count == 71)
  }

  @Test("long names that begin alike are losses of their own")
  func longNames() {
    var ledger = LossLedger()
    let start = String(repeating: "n", count: 300)
    for number in 0..<5 { ledger.add(start + "\(number)", "dropped", isKnown: false) }
    ledger.add(start + "1", "dropped", isKnown: false)
    #expect(ledger.count == 5)
    #expect(ledger.entries.allSatisfy { $0.field.utf8.count == 256 + "…".utf8.count + 16 })
  }

  @Test(
    "an object's ledger grows by another",
    arguments: [
      ("{}", #"{"loss":[{"field":"a","fate":"dropped"}]}"#),
      (#"{"loss":[]}"#, #"{"loss":[{"field":"a","fate":"dropped"}]}"#),
      (#"{"x": 1 ,"loss_more":2}"#, #"{"x":1,"loss":[{"field":"a","fate":"dropped"}],"loss_more":2}"#),
      (#"{"loss":[{"field":"a","fate":"dropped"}],"x":1}"#, #"{"x":1,"loss":[{"field":"a","fate":"dropped"}]}"#),
    ])
  func lossesOfAnObject(_ object: String, _ made: String) {
    var ledger = LossLedger()
    ledger.dropped("a")
    var bytes = Bytes()
    Array(object.utf8).withUnsafeBufferPointer { bytes.append(object: $0, adding: ledger) }
    #expect(bytes.text == made)
  }

  private final class State {}

  @Test("open answers are found, closed and drained by name")
  func openAnswers() throws {
    var answers = OpenAnswers<State>()
    let states = ["b": State(), "a": State()]
    for name in ["b", "a"] {
      try Array(name.utf8).withUnsafeBufferPointer { try answers.open($0, states[name]!) }
    }
    func find(_ name: String) -> State? { Array(name.utf8).withUnsafeBufferPointer { answers.find($0) } }
    #expect(find("a") === states["a"])
    #expect(find("b") === states["b"])
    #expect(find("c") == nil)
    answers.close("b")
    #expect(find("b") == nil)
    #expect(answers.drain().map(\.rid) == ["a"])
    #expect(find("a") == nil)
  }

  @Test("there is an end to how many answers are open")
  func mostOpen() throws {
    var answers = OpenAnswers<State>()
    for number in 0..<Limits.maxOpen {
      try Array(String(number).utf8).withUnsafeBufferPointer { try answers.open($0, State()) }
    }
    #expect(throws: APIError.self) {
      try Array("one more".utf8).withUnsafeBufferPointer { try answers.open($0, State()) }
    }
  }
}
