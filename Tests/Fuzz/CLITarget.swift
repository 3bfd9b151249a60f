// SPDX-License-Identifier: MIT
import ClaudeCLI
import JSONText
import Jansson
import Records

/// Whatever lines a CLI prints, its answer is at most one, and nothing that it says ends us.
///
/// A line that begins with a digit is one of its stderr.
func commandLine(_ input: ByteSlice) {
  let lines = input.split(separator: UInt8(ascii: "\n")).map { ByteSlice(rebasing: $0) }
  for isStream in [true, false] {
    for auth in [Auth.key, .login] { check(answer(of: lines, isStream: isStream, auth: auth)) }
  }
  check(answer(of: lines, isStream: false, auth: .key, count: TokenCount(countRequest)))
}

private func answer(of lines: [ByteSlice], isStream: Bool, auth: Auth, count: TokenCount? = nil) -> [UInt8] {
  var ctx = Bytes()
  ctx.append("{}")
  var traits = Answer.Traits()
  (traits.hasThinking, traits.mayBeCut) = (auth == .login, isStream)
  let limit = LoginLimit()
  var answer = Answer(
    RequestID(text: "r"), ctx: ctx, wantsStream: isStream, count: count, auth: auth, traits: traits, limit: limit)
  var out = Output()
  for text in lines {
    let verdict: Answer.Verdict
    if let first = text.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
      verdict = answer.take(Diagnostic(text), to: &out)
    } else {
      let line = CLILine(text)
      if case .rateLimit(let info) = line { limit.take(info) }
      verdict = answer.take(line, elapsed: 5, now: 1_795_365_000, to: &out)
    }
    if (verdict != .more) != answer.isOver { broken("an answer that is over says so", text) }
  }
  answer.fail(CLIError.broken("ended"), to: &out)
  return Array(out.bytes.slice)
}

private func check(_ output: [UInt8]) {
  output.withUnsafeBufferPointer { output in
    var kinds: [Line.Kind] = []
    for line in output.split(separator: UInt8(ascii: "\n")) {
      guard let line = Line(scanning: ByteSlice(rebasing: line)), line.form == .record else {
        broken("what is written is a record", ByteSlice(rebasing: line))
      }
      kinds.append(line.kind)
    }
    guard kinds.last == .end, kinds.filter({ $0 == .end }).count == 1, kinds.first == .begin || kinds.first == .error,
      kinds.filter({ $0 == .begin || $0 == .response }).count <= 2, kinds.filter({ $0 == .error }).count <= 1
    else { broken("there is one answer", output) }
  }
}

private var countRequest: MessagesRequest {
  var text = #"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f"}]}"#
  return text.withUTF8 { try! MessagesRequest(payload: $0, ctx: nil, isCount: true) }
}
