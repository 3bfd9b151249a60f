// SPDX-License-Identifier: MIT
import Echo
import EventStream
import JSONText
import Models
import RateLimit
import Reactor
import Records
import ResponsesStore
import Testing
import Translation

/// The golden files inside the process, in pieces of several sizes: a stream may be cut anywhere.
///
/// Left out are, by name, the cases of what stands in the mains (options that are wrong, files that can't be read) and
/// those that wait for a timer; `scripts/golden` runs them on the built programs.
@Suite("golden")
struct GoldenTests {
  @Test(
    "oai2anth", arguments: try GoldenCase.all(of: "oai2anth", but: ["option-unknown", "models-file-missing"]),
    [1, 7, .max])
  func oai2anth(_ golden: GoldenCase, pieceSize: Int) throws {
    let options = golden.options
    let models = try golden.models()
    let maxTokens = options.number("--max-tokens") ?? ModelTable.defaultMaxTokens
    try golden.check(
      ChatRequestToMessages(
        models: models, maxTokens: maxTokens, isStrict: options.has("--strict"),
        cachesPrompts: options.value("--prompt-cache") != "off"),
      dialect: "openai", pieceSize)
  }

  @Test("resp2anth", arguments: try GoldenCase.all(of: "resp2anth"), [1, 7, .max])
  func resp2anth(_ golden: GoldenCase, pieceSize: Int) throws {
    let options = golden.options
    try golden.check(
      ResponsesRequestToMessages(
        models: try golden.models(), maxTokens: options.number("--max-tokens") ?? ModelTable.defaultMaxTokens,
        isStrict: options.has("--strict"), cachesPrompts: options.value("--prompt-cache") != "off"),
      dialect: "responses", pieceSize)
  }

  @Test("anth2oai", arguments: try GoldenCase.all(of: "anth2oai", but: ["option-of-a-wrong-type"]), [1, 7, .max])
  func anth2oai(_ golden: GoldenCase, pieceSize: Int) throws {
    let options = golden.options
    let defaults = MessagesToChat.Defaults(
      created: options.number("--created") ?? 0, includeUsage: options.has("--include-usage"))
    try golden.check(MessagesToChat(defaults: defaults), dialect: "openai", pieceSize)
  }

  @Test("anth2resp", arguments: try GoldenCase.all(of: "anth2resp", but: ["option-of-a-wrong-type"]), [1, 7, .max])
  func anth2resp(_ golden: GoldenCase, pieceSize: Int) throws {
    let defaults = MessagesToResponses.Defaults(created: golden.options.number("--created") ?? 0)
    try golden.check(MessagesToResponses(defaults: defaults), dialect: "responses", pieceSize)
  }

  @Test("sse-encode", arguments: try GoldenCase.all(of: "sse-encode"), [1, 7, .max])
  func sseEncode(_ golden: GoldenCase, pieceSize: Int) throws {
    try golden.check(EventStreamEncoder(), isTranslated: true, pieceSize)
  }

  @Test("model-map", arguments: try GoldenCase.all(of: "model-map", but: ["table-that-is-wrong"]), [1, 7, .max])
  func modelMap(_ golden: GoldenCase, pieceSize: Int) throws {
    try golden.check(
      ModelMap(try golden.models(), defaultModel: golden.options.value("--default-model")), pieceSize)
  }

  @Test(
    "rate-limit",
    arguments: try GoldenCase.all(
      of: "rate-limit",
      but: ["burst-of-none", "many-a-minute", "a-burst-beyond-all-bounds", "a-network-with-an-invalid-prefix"]),
    [1, 7, .max])
  func rateLimit(_ golden: GoldenCase, pieceSize: Int) throws {
    let options = golden.options
    let rule = RateLimiter.Rule(
      requests: options.number("--requests") ?? 60, burst: options.number("--burst") ?? 10)
    let exempt = options.all("--exempt") ?? ["loopback"]
    try golden.check(RateLimiter(rule, exempt: try Exemptions(exempt), buckets: try BucketFile(path: nil)), pieceSize)
  }

  @Test("responses-store", arguments: try GoldenCase.all(of: "responses-store"), [1, 7, .max])
  func responsesStore(_ golden: GoldenCase, pieceSize: Int) throws {
    let folder = ScratchFolder()
    let settings = ResponsesFile.Settings(path: folder.path(of: "responses.db"))
    if golden.options.has("load") {
      try golden.check(ResponseLoader(settings), dialect: "responses", pieceSize)
    } else {
      try golden.check(ResponseKeeper(settings), dialect: "responses", isTranslated: true, pieceSize)
    }
    withExtendedLifetime(folder) {}
  }

  @Test(
    "claude-echo",
    arguments: try GoldenCase.all(
      of: "claude-echo",
      but: [
        "pace-is-kept-in-order", "bare-streams-come-one-after-another", "replay-at-the-recorded-pace",
        "replay-cancelled", "replay-of-no-recording",
      ]),
    [1, 7, .max])
  func claudeEcho(_ golden: GoldenCase, pieceSize: Int) throws {
    let port = Port()
    // One line in one go, so that the order is that of a program which is asked line by line.
    if let name = golden.options.value("--replay") {
      var contents = Bytes()
      for byte in try golden.file(name) { contents.append(byte) }
      let recording = try Recording(contents, name: name)
      let backend = ReplayBackend(port: port, reactor: Reactor(), recording: recording, speed: nil)
      return try golden.check(Asker(backend: backend, port: port), pieceSize)
    }
    let script = try golden.options.value("--script").map { String(decoding: try golden.file($0), as: UTF8.self) }
    let backend = EchoBackend(port: port, reactor: Reactor(), models: try golden.models(), script: script)
    try golden.check(Asker(backend: backend, port: port), pieceSize)
  }

  /// Hands lines to a backend and what it says at once on, as the runner of the programs does.
  private struct Asker<B: Backend>: RecordFilter {
    static var side: Side { .request }
    let backend: B
    let port: Port

    mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
      defer {
        out.bytes.append(port.output.bytes.slice)
        port.output.bytes.removeAll()
      }
      switch line.kind {
      case .request: try backend.take(line)
      case .cancel: _ = backend.cancel(line.id)
      default: out.forward(line)
      }
    }
  }
}

extension GoldenCase {
  /// The model table that the case's options name.
  func models() throws -> ModelTable {
    let foreignNames = !options.has("--no-foreign-names")
    guard let name = options.value("--models") else { return try ModelTable.builtIn(foreignNames: foreignNames) }
    return try file(name).withUnsafeBufferPointer { try ModelTable(parsing: $0, foreignNames: foreignNames) }
  }

  /// Runs a filter on the case's input in pieces of that size, and holds what it says against what is expected.
  func check(
    _ filter: some RecordFilter, dialect: String? = nil, isTranslated: Bool = false, _ pieceSize: Int
  ) throws {
    let dialect =
      (options.value("--dialect") ?? dialect).map {
        #","dialect":"\#($0)""# + (isTranslated ? #","translated":"\#($0)""# : "")
      } ?? ""
    let op = options.value("--op") ?? "messages"
    let (said, failure) = transcript(
      of: filter, on: input, inPiecesOf: pieceSize, defaultContext: #"{"op":"\#(op)"\#(dialect)}"#,
      isStrict: options.has("--strict-input"))
    #expect(said == output)
    #expect((failure?.kind.rawValue ?? 0) == status)
  }
}

/// What a filter says of an input that arrives in pieces of that size.
func transcript(
  of filter: some RecordFilter, on input: [UInt8], inPiecesOf size: Int, defaultContext: String, isStrict: Bool
) -> (output: String, failure: Failure?) {
  var run = Run(filter, defaultContext: defaultContext, isStrict: isStrict)
  var failure: Failure?
  do throws(Failure) {
    var at = 0
    while at < input.count {
      let end = min(input.count - at, size) + at
      var thrown: Failure?
      input[at..<end].withUnsafeBufferPointer { piece in
        do throws(Failure) { try run.take(piece) } catch { thrown = error }
      }
      if let thrown { throw thrown }
      at = end
    }
    try run.finish()
  } catch {
    failure = error
  }
  return (run.output.bytes.text, failure)
}
