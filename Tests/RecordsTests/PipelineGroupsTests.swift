// SPDX-License-Identifier: MIT
import Records
import Testing

@Suite("pipeline groups")
struct PipelineGroupsTests {
  /// Groups with `f` and `g` as filters, `B` and `C` as backends, and `pipe` as the program.
  static func grouped(_ text: String) throws -> String {
    try PipelineGroups.text(grouping: text) { words in
      switch words[0] {
      case "f", "g": .filter
      case "B", "C": .backend
      default: .foreign
      }
    } program: { _ in
      "pipe"
    }
  }

  @Test(arguments: [
    ("f", "f"), ("B", "B"), ("x", "x"), ("f | g", "pipe 'f | g'"), ("f|B|g", "pipe 'f | B | g'"),
    ("  f  a |\n B ", "pipe 'f  a | B'"),
    // What is not a member parts two groups, and keeps its own form.
    ("f | g | x  \"y\" | f | B", "pipe 'f | g' | x  \"y\" | pipe 'f | B'"), ("f | x | g", "f | x | g"),
    ("x | y", "x | y"),
    // A second backend begins a new group.
    ("f | B | C | g", "pipe 'f | B' | pipe 'C | g'"), ("f | B | g | C | f", "pipe 'f | B | g' | pipe 'C | f'"),
    ("B | C", "B | C"),
    // What is grouped already stays.
    ("pipe 'f | g' | f | g", "pipe 'f | g' | pipe 'f | g'"),
    // Quotes of all kinds.
    (#"f 'a b' | g"#, #"pipe 'f '\''a b'\'' | g'"#), (#"f "it's" | g \'"#, #"pipe 'f "it'\''s" | g \'\'''"#),
    (#"f '' | g"#, #"pipe 'f '\'''\'' | g'"#), ("f 'a|b' | g", #"pipe 'f '\''a|b'\'' | g'"#),
  ])
  func groups(_ text: String, _ grouped: String) throws {
    #expect(try Self.grouped(text) == grouped)
  }

  @Test(
    "the stages are the same ones afterwards",
    arguments: [
      #"f 'a b' | g "c d" | x e\ f | B '$X' | g '`y`' "#, #"f \' | g \" | B "'" | C '"' "#, "f 'a\nb' | g \\\n c |\nB",
      #"f '\' | g '\\' "\\" \\"#, "f é '日本' | g ''",
    ])
  func survives(_ text: String) throws {
    let grouped = try PipelineText.stages(of: Self.grouped(text))
    let expanded = PipelineText.expanded(grouped.map { $0[0] == "pipe" ? ["claude-pipe"] + $0[1...] : $0 })
    #expect(try expanded == PipelineText.stages(of: text))
  }

  @Test("a text that can't be read is refused", arguments: ["", "f |", "f; g", "f 'a"])
  func refused(_ text: String) {
    #expect(throws: Failure.self) { try Self.grouped(text) }
  }
}
