// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Records
import Testing

@Suite("another try")
struct RetryingTests {
  /// The waits, in milliseconds, that a request gets that fails again and again in that way.
  private func waits(
    _ status: Int, _ headers: [String] = [], tries: Int = 2, chance: Double = 0, within: Int = 600_000
  ) -> [Int?] {
    var head = AnswerHead()
    for line in ["HTTP/1.1 \(status) X"] + headers + [""] {
      (line + "\r\n").bytes.withUnsafeBufferPointer { head.take($0) }
    }
    var retrying = Retrying(tries)
    return (0...tries).map { _ in retrying.wait(after: status, head, chance: chance, within: within) }
  }

  @Test("off unless asked for")
  func off() {
    #expect(waits(529, tries: 0) == [nil] && !Retrying().isOn)
  }

  @Test("longer each time, and not all at once")
  func growing() {
    #expect(waits(529, tries: 6) == [500, 1_000, 2_000, 4_000, 8_000, 8_000, nil])
    #expect(waits(529, chance: 1) == [375, 750, nil])
  }

  @Test(
    "only what may pass",
    arguments: [(408, true), (409, true), (429, true), (500, true), (502, true), (529, true)])
  func passing(status: Int, isTried: Bool) { #expect((waits(status)[0] != nil) == isTried) }

  @Test("not what is wrong", arguments: [400, 401, 403, 404, 413])
  func wrong(status: Int) {
    #expect(waits(status)[0] == nil)
    #expect(waits(status, ["x-should-retry: true"])[0] == 500)
    #expect(waits(529, ["X-Should-Retry: false"])[0] == nil)
  }

  @Test(
    "as the upstream says",
    arguments: [
      (["retry-after: 12"], 12_000), (["Retry-After: 0.5"], 500), (["retry-after-ms: 70"], 70),
      (["retry-after: 5", "retry-after-ms: 1500"], 1_500), (["retry-after: 0"], 0), (["retry-after: soon"], 500),
      (["date: Sun, 06 Nov 1994 08:49:30 GMT", "retry-after: Sun, 06 Nov 1994 08:49:37 GMT"], 7_000),
      (["retry-after: Sun, 06 Nov 1994 08:49:37 GMT"], 500), (["retry-after: 60"], 60_000), (["retry-after: 61"], nil),
      (["retry-after: -1"], 500), (["retry-after: inf"], 500), (["retry-after: 1e300"], 500),
    ] as [([String], Int?)])
  func told(headers: [String], wait: Int?) { #expect(waits(429, headers, chance: 0)[0] == wait) }

  @Test("not where the answer would come too late")
  func late() { #expect(waits(429, ["retry-after: 12"], within: 12_000)[0] == nil) }

  @Test("nothing is written before the last try, and nothing of an earlier one is left")
  func answer() {
    var out = Output()
    var ctx = Bytes()
    ctx.append("{}")
    var answer = Answer(
      RequestID(text: "r", isBare: false), .messages, isStreamAsked: false, ctx: ctx.slice, declining: Declining(),
      retrying: Retrying(1))
    func take(_ head: [String], _ body: String) {
      answer.patience = 60_000
      for line in head + [""] {
        (line + "\r\n").bytes.withUnsafeBufferPointer { _ = answer.take(header: $0, to: &out) }
      }
      body.bytes.withUnsafeBufferPointer { _ = answer.take($0, elapsed: 1, to: &out) }
      answer.finish(elapsed: 1, to: &out)
    }
    take(["HTTP/1.1 429 X", "retry-after-ms: 3", "request-id: first"], #"{"error":{"type":"rate_limit_error"}}"#)
    #expect(answer.retryWait == 3 && answer.isOver && out.bytes.isEmpty)
    answer.retry()
    take(["HTTP/1.1 200 OK", "content-type: application/json"], #"{"model":"m","content":[]}"#)
    #expect(
      out.bytes.text == """
        {"rid":"r","ctx":{},"begin":{"status":200,"headers":{}}}
        {"rid":"r","response":{"model":"m","content":[]}}
        {"rid":"r","end":{"model":"m","ttft_ms":1}}

        """)
  }
}
