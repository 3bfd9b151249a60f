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
}
