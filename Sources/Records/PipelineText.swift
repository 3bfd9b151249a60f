// SPDX-License-Identifier: MIT

/// Takes the text of a pipeline apart as a shell would, as far as that needs no shell.
package enum PipelineText {
  /// The stages of `a 'b c' | d`, each as its words.
  ///
  /// Quotes and backslashes are the shell's. There is no expansion, no redirection, no list: what a shell would read as
  /// one is refused, so that the text never means something else in a terminal.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package static func stages(of text: String) throws(Failure) -> [[String]] {
    var reader = Reader(text)
    return try reader.read()
  }

  /// What is syntax outside of quotes.
  private static let syntax: Set<Character> = [";", "&", "<", ">", "(", ")", "$", "`", "*", "?", "["]

  private struct Reader {
    var rest: Substring
    var stages: [[String]] = []
    var words: [String] = []
    var word: String?

    init(_ text: String) { rest = text[...] }

    mutating func read() throws(Failure) -> [[String]] {
      while let character = rest.popFirst() {
        switch character {
        case " ", "\t": endWord()
        case "\n", "\r\n":
          endWord()
          // A shell goes on after "|" only; elsewhere a new line is a new command.
          guard words.isEmpty || rest.allSatisfy(\.isWhitespace) else { throw refusal("a line break") }
        case "|":
          endWord()
          try endStage()
        case "'": try singleQuoted()
        case "\"": try doubleQuoted()
        case "\\":
          guard let next = rest.popFirst() else { throw refusal("a backslash at the end") }
          if next != "\n" { word = (word ?? "") + String(next) }
        case "#" where word == nil, "~" where word == nil: throw refusal("'\(character)' at the start of a word")
        case let other where PipelineText.syntax.contains(other): throw refusal("'\(other)'")
        default: word = (word ?? "") + String(character)
        }
      }
      endWord()
      try endStage()
      return stages
    }

    mutating func endWord() {
      guard let word else { return }
      words.append(word)
      self.word = nil
    }

    mutating func endStage() throws(Failure) {
      guard let program = words.first else {
        throw Failure(.usage, "the pipeline has an empty stage")
      }
      guard !program.isEmpty, program != "!", program != "{", !isAssignment(program) else {
        throw refusal("'\(program)' in the place of a program")
      }
      stages.append(words)
      words = []
    }

    func isAssignment(_ word: String) -> Bool {
      guard let sign = word.firstIndex(of: "="), let first = word.first, first.isLetter || first == "_" else {
        return false
      }
      return word[..<sign].allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
    }

    mutating func singleQuoted() throws(Failure) {
      guard let end = rest.firstIndex(of: "'") else { throw refusal("a single quote without its end") }
      word = (word ?? "") + rest[..<end]
      rest = rest[rest.index(after: end)...]
    }

    mutating func doubleQuoted() throws(Failure) {
      var inside = word ?? ""
      while let character = rest.popFirst() {
        switch character {
        case "\"":
          word = inside
          return
        case "$", "`": throw refusal("'\(character)' in double quotes")
        case "\\":
          guard let next = rest.popFirst() else { break }
          if !["$", "`", "\"", "\\", "\n"].contains(next) { inside.append("\\") }
          if next != "\n" { inside.append(next) }
        default: inside.append(character)
        }
      }
      throw refusal("a double quote without its end")
    }

    func refusal(_ what: String) -> Failure {
      Failure(.usage, "the pipeline holds \(what); it is words and '|' alone, quote what else you mean")
    }
  }
}

extension PipelineText {
  /// The stages of a pipeline's commands, with those of each `claude-pipe TEXT` in its place.
  ///
  /// A text that can't be read leaves its command as it is: the program itself refuses it, and says why.
  package static func expanded(_ commands: [[String]]) -> [[String]] {
    commands.flatMap { words in
      guard words.count == 2, words[0] == "claude-pipe" || words[0].hasSuffix("/claude-pipe"),
        !words[1].hasPrefix("-"), let stages = try? stages(of: words[1])
      else { return [words] }
      return stages
    }
  }
}
