// SPDX-License-Identifier: MIT
import JSONText
import Logs
import Records
import Testing

@Suite("lines of the log")
struct LineTests {
  private static let time = "2026-11-22T10:00:00.000Z"

  private func line(
    _ format: Log.Format, _ message: String, level: Output.Note.Level = .info,
    _ fields: [(name: String, value: Log.Value)] = []
  ) -> String {
    Log(program: "http-frontd", format: format).line(level, message, fields, at: Self.time).text
  }

  private static let access: [(name: String, value: Log.Value)] = [
    ("id", .text("r1")), ("method", .text("POST")), ("path", .text("/v1/messages")), ("status", .number(200)),
    ("duration_ms", .tenths(12.34)), ("peer", .text("::1")), ("key", .text("")),
    ("loss", .list(["n dropped", "top_k kept"])),
  ]

  @Test("one access line in both forms")
  func access() {
    #expect(
      line(.text(isColoured: false), "request", Self.access)
        == #"2026-11-22T10:00:00.000Z info http-frontd: request id=r1 method=POST path=/v1/messages status=200 "#
        + #"duration_ms=12.3 peer=::1 key="" loss="n dropped, top_k kept""# + "\n")
    #expect(
      line(.json, "request", Self.access)
        == #"{"ts":"2026-11-22T10:00:00.000Z","level":"info","program":"http-frontd","msg":"request","id":"r1","#
        + #""method":"POST","path":"/v1/messages","status":200,"duration_ms":12.3,"peer":"::1","key":"","#
        + #""loss":["n dropped","top_k kept"]}"# + "\n")
  }

  @Test(
    "what others sent stays in its line and its place",
    arguments: [
      ("/plain", "/plain"), ("ü€😀", "ü€😀"), ("two words", #""two words""#), ("a=b", #""a=b""#), (#"a"b"#, #""a\"b""#),
      (#"a\nb"#, #""a\\nb""#), ("a\nb", #""a\nb""#), ("\u{1B}[2J", #""\u{1b}[2J""#),
      ("\u{7F}\u{9B}1m", #""\u{7f}\u{9b}1m""#),
      ("\u{202E}cba", #""\u{202e}cba""#), ("a\u{2028}b", #""a\u{2028}b""#), ("\r\n", #""\r\n""#),
    ])
  func harmless(_ given: String, _ shown: String) {
    let said = line(.text(isColoured: false), "it said \(given)", [("what", .text(given))])
    #expect(said.hasSuffix(" what=\(shown)\n"))
    #expect(said.unicodeScalars.filter { $0.value < 0x20 } == ["\n"])
  }

  @Test(
    "colours are those of the levels, and stand around them alone",
    arguments: [(Output.Note.Level.debug, 2), (.info, 32), (.warning, 33), (.error, 31)])
  func colours(_ level: Output.Note.Level, _ colour: Int) {
    #expect(
      line(.text(isColoured: true), "so", level: level)
        == "\(Self.time) \u{1B}[\(colour)m\(level.rawValue)\u{1B}[0m http-frontd: so\n")
  }

  @Test(
    "control characters and signs that turn text round are escaped in JSON",
    arguments: [
      ("a\u{9B}1m", #"a\u009b1m"#), ("\u{80}\u{9F}", #"\u0080\u009f"#), ("\u{7F}", #"\u007f"#),
      ("\u{202E}cba\u{202C}", #"\u202ecba\u202c"#), ("\u{2066}x\u{2069}", #"\u2066x\u2069"#),
      ("\u{200E}\u{200F}\u{61C}", #"\u200e\u200f\u061c"#), ("\u{2028}\u{2029}", #"\u2028\u2029"#),
      ("\u{E0041}", #"\udb40\udc41"#), ("\n\r\t\u{1}\"\\", #"\n\r\t\u0001\"\\"#), ("ü€😀/", "ü€😀/"),
    ])
  func harmlessJSON(_ given: String, _ shown: String) {
    let said = line(.json, given, [("what", .text(given)), ("list", .list([given]))])
    #expect(said.contains(#""msg":"\#(shown)""#))
    #expect(said.hasSuffix(#","what":"\#(shown)","list":["\#(shown)"]}"# + "\n"))
  }

  @Test(
    "no line is longer than a pipe takes at once, whatever is in it",
    arguments: ["x", "é", "😀", "\"", "\u{1}", "\u{202E}", "\u{E0041}", "a b="], [10, 1_000, 1_025, 5_000])
  func length(_ piece: String, _ count: Int) {
    let long = String(repeating: piece, count: count)
    for format in [Log.Format.json, .text(isColoured: true)] {
      let said = line(
        format, long,
        [
          ("path", .text(long)), ("id", .text(long)), ("loss", .list(Array(repeating: long, count: 70))),
          ("n", .number(1)),
        ])
      #expect(said.utf8.count <= Log.maxLine)
      #expect(said.hasSuffix("\n") && said.utf8.filter { $0 == 10 }.count == 1)
      guard format == .json else { continue }
      var check = JSONCheck()
      var bytes = Array(said.utf8)
      let isJSON = bytes.withUnsafeMutableBufferPointer { (try? check.take($0)) != nil }
      #expect(isJSON && check.isComplete)
    }
  }

  @Test("a list that is too long tells how many entries it lacks")
  func longList() {
    let said = line(.json, "so", [("loss", .list((1...300).map { "messages.content.part\($0) dropped" }))])
    let listed = said.components(of: " dropped").count - 1
    #expect(listed > 10 && said.contains(#","and \#(300 - listed) more"]}"#))
  }
}

extension String {
  fileprivate func components(of separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
