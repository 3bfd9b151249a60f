// SPDX-License-Identifier: MIT
import Records
import Testing

@Suite("pipeline text")
struct PipelineTextTests {
  @Test(arguments: [
    ("a", [["a"]]),
    ("a|b", [["a"], ["b"]]),
    (" a  b\t| c ", [["a", "b"], ["c"]]),
    ("a 'b | c' | d", [["a", "b | c"], ["d"]]),
    (#"a "b \" \\ \n" c\ d"#, [["a", #"b " \ \n"#, "c d"]]),
    ("a ''", [["a", ""]]),
    ("a b'c'\"d\"e", [["a", "bcde"]]),
    ("a |\n b\n", [["a"], ["b"]]),
    ("jq -c '.x |= 1' | b --n=1", [["jq", "-c", ".x |= 1"], ["b", "--n=1"]]),
  ])
  func stages(_ text: String, _ stages: [[String]]) throws {
    #expect(try PipelineText.stages(of: text) == stages)
  }

  @Test(arguments: [
    "", " ", "a |", "| a", "a || b", "a; b", "a > f", "a < f", "a & b", "a $X", "a \"$X\"", "a `b`", "a \"`b`\"", "(a)",
    "a 'b", "a \"b", "a \\", "a\nb", "X=1 a", "! a", "{ a", "a *", "a ?", "a [b]", "~/a", "# a",
  ])
  func refusals(_ text: String) {
    let failure = #expect(throws: Failure.self) { try PipelineText.stages(of: text) }
    #expect(failure?.kind == .usage)
  }

  @Test(
    "a command keeps the text that it was read from",
    arguments: [
      ("a", ["a"]),
      ("  a  b\t|\n c 'd  e' ", ["a  b", "c 'd  e'"]),
      (#"a \"b\"\ | c"#, [#"a \"b\"\ "#, "c"]),
      ("a |\\\n b \\\n c\n", ["a", "b \\\n c"]),
      ("'a'|\"b\"", ["'a'", "\"b\""]),
    ])
  func texts(_ text: String, _ texts: [String]) throws {
    let commands = try PipelineText.commands(of: text)
    #expect(commands.map(\.text) == texts)
    for command in commands { #expect(try PipelineText.stages(of: command.text) == [command.words]) }
  }

  @Test(
    "a quoted text is one word",
    arguments: ["", "a b", "it's", "''", "a '\\'' b", "\"$X\" | `y` \\", "a\nb", "é'"])
  func quotes(_ text: String) throws {
    #expect(try PipelineText.stages(of: "a " + PipelineText.quoted(text)) == [["a", text]])
  }

  @Test("the stages of a claude-pipe stand in its place, where its text can be read")
  func expanded() {
    #expect(
      PipelineText.expanded([
        ["a", "b"], ["/bin/claude-pipe", "c d | claude-pipe 'e'"], ["claude-pipe", "--group"], ["claude-pipe", "f;"],
        ["claude-pipe"], ["claude-pipe", "g", "h"],
      ]) == [
        ["a", "b"], ["c", "d"], ["claude-pipe", "e"], ["claude-pipe", "--group"], ["claude-pipe", "f;"],
        ["claude-pipe"], ["claude-pipe", "g", "h"],
      ])
  }
}
