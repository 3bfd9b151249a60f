// SPDX-License-Identifier: MIT
import EventStream
import JSONText
import Jansson
import Models
import Records
import Translation

/// What can be fuzzed, by name.
let targets: [String: @Sendable (ByteSlice) -> Void] = [
  "front": { front($0) },
  "http-answer": { httpAnswer($0) },
  "check": { check($0) },
  "lexer": { lexer($0) },
  "cli": { commandLine($0) },
  "records": { input in
    runs(input, Echo(), default: "{}")
    runs(input, EchoOfAnswers(), default: "{}")
  },
  "oai2anth": { runs($0, ChatRequestToMessages(models: table), default: #"{"op":"messages","dialect":"openai"}"#) },
  "oai2anth-auto": { runs($0, ChatRequestToMessages(models: table), default: #"{"op":"messages","dialect":"auto"}"#) },
  "resp2anth": {
    runs($0, ResponsesRequestToMessages(models: table), default: #"{"op":"messages","dialect":"responses"}"#)
  },
  "anth2oai": { runs($0, MessagesToChat(), default: #"{"op":"messages","dialect":"openai"}"#) },
  "anth2resp": { runs($0, MessagesToResponses(), default: #"{"op":"messages","dialect":"responses"}"#) },
  "model-map": { runs($0, ModelMap(table), default: #"{"op":"messages"}"#) },
  "sse-encode": { runs($0, EventStreamEncoder(), default: #"{"op":"messages"}"#, writesEventStreams: true) },
]

private let table = try! ModelTable.builtIn()

/// Takes everything and hands it on.
private struct Echo: RecordFilter {
  static let side = Side.request
  mutating func take(_ line: Line, to out: inout Output) { out.forward(line) }
}

private struct EchoOfAnswers: RecordFilter {
  static let side = Side.answer
  mutating func take(_ line: Line, to out: inout Output) { out.forward(line) }
}

// MARK: JSON

/// The incremental check, cut in two anywhere, and the lexer know the same texts for JSON.
private func check(_ input: ByteSlice) {
  let isRead = (try? JSON.parse(input)) != nil
  let cut = input.isEmpty ? 0 : Int(input[0]) % (input.count + 1)
  // Of what the check lets pass, the lexer refuses two things: half a surrogate pair, and numbers beyond doubles.
  if isValid(input, cutAt: cut) != isRead, isRead || !hasSurrogateOrExponent(input) {
    broken("check and lexer agree", input)
  }
  if isValid(input, cutAt: cut) != isValid(input, cutAt: input.count) { broken("a cut changes nothing", input) }
}

private func isValid(_ text: ByteSlice, cutAt cut: Int) -> Bool {
  var copy = Array(text)
  var check = JSONCheck()
  return copy.withUnsafeMutableBufferPointer { text in
    do throws(JSONCheck.Fault) {
      try check.take(UnsafeMutableBufferPointer(rebasing: text[..<cut]))
      try check.take(UnsafeMutableBufferPointer(rebasing: text[cut...]))
      return check.isComplete
    } catch {
      return false
    }
  }
}

func isValid(_ text: ByteSlice) -> Bool { isValid(text, cutAt: text.count) }

private func hasSurrogateOrExponent(_ text: ByteSlice) -> Bool {
  var at = 0
  while at + 2 < text.count {
    if text[at] == UInt8(ascii: "\\"), text[at + 1] == UInt8(ascii: "u") { return true }
    at += 1
  }
  // A key with a NUL is written by an escape as well.
  return text.contains { $0 | 0x20 == UInt8(ascii: "e") } || text.count > 300
}

/// Our lexer and dumper give Jansson's own answers.
///
/// They differ where it is meant: an integer beyond 64 bits is no error; a real is written as the shortest
/// text that reads back the same; a control character's number is written in lower-case digits.
private func lexer(_ input: ByteSlice) {
  var theirs: JSON?
  var isTooBig = false
  do { theirs = try JSON.parseReference(input) } catch { isTooBig = error.reason.hasPrefix("too big") }
  guard let ours = try? JSON.parse(input) else {
    // Jansson passes over a NUL behind a number or a word, as if it weren't there.
    if theirs != nil, !input.contains(0) { broken("what Jansson reads we read", input) }
    return
  }
  var written = Bytes()
  written.append(ours)
  if !isValid(written.slice) { broken("what is written is JSON", written.slice) }
  guard let again = try? JSON.parse(written.slice), again == ours else { broken("what is written reads back", input) }
  // With its long strings left in the text, a tree says the same, escapes as they came.
  var lent = Bytes()
  if let tree = try? JSON.parse(input, lends: true) { lent.append(tree) }
  guard let same = try? JSON.parse(lent.slice), same == ours else { broken("what is lent reads back", input) }
  guard let theirs else {
    if !isTooBig { broken("what we read Jansson reads", input) }
    return
  }
  if ours != theirs { broken("the trees are the same", input) }
  if !hasReal(ours), !hasControl(written.slice), written.text != ours.referenceText {
    broken("the texts are the same", input)
  }
}

private func hasReal(_ value: JSON) -> Bool {
  value.kind == .real || value.elements.contains(where: hasReal) || value.members.contains { hasReal($0.value) }
}

private func hasControl(_ text: ByteSlice) -> Bool {
  var at = 0
  while let escape = text.offset(of: UInt8(ascii: "\\"), from: at), escape + 1 < text.count {
    if text[escape + 1] == UInt8(ascii: "u") { return true }
    at = escape + 2
  }
  return false
}
