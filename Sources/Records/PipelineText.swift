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
    try commands(of: text).map(\.words)
  }

  /// One command between two signs.
  package struct Command {
    package var words: [String]
    /// The part of the text that it was read from, without the white space around it.
    package var text: String

    package init(words: [String], text: String) {
      self.words = words
      self.text = text
    }
  }

  /// The same stages, each with the part of the text that it was read from.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package static func commands(of text: String) throws(Failure) -> [Command] {
    var reader = Reader(text)
    return try reader.read()
  }

  /// A text as one word in single quotes, for a shell as for ``stages(of:)``.
  package static func quoted(_ text: String) -> String {
    var quoted = "'"
    for character in text {
      // A quote can't stand inside of single quotes, so it stands between two such words.
      if character == "'" { quoted += "'\\''" } else { quoted.append(character) }
    }
    return quoted + "'"
  }

  /// What is syntax outside of quotes.
  private static let syntax: Set<Character> = [";", "&", "<", ">", "(", ")", "$", "`", "*", "?", "["]

  private struct Reader {
    let text: String
    var rest: Substring
    var commands: [Command] = []
    var words: [String] = []
    var word: String?
    /// Where the first word of the stage begins, and where the last one so far ends.
    var start: String.Index
    var end: String.Index

    init(_ text: String) {
      self.text = text
      rest = text[...]
      start = text.startIndex
      end = text.startIndex
    }

    mutating func read() throws(Failure) -> [Command] {
      while let character = rest.first {
        let position = rest.startIndex
        rest.removeFirst()
        if words.isEmpty, word == nil { start = position }
        switch character {
        case " ", "\t": endWord(at: position)
        case "\n", "\r\n":
          endWord(at: position)
          // A shell goes on after "|" only; elsewhere a new line is a new command.
          guard words.isEmpty || rest.allSatisfy(\.isWhitespace) else { throw refusal("a line break") }
        case "|":
          endWord(at: position)
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
      endWord(at: rest.startIndex)
      try endStage()
      return commands
    }

    mutating func endWord(at position: String.Index) {
      guard let word else { return }
      words.append(word)
      self.word = nil
      end = position
    }

    mutating func endStage() throws(Failure) {
      guard let program = words.first else {
        throw Failure(.usage, "the pipeline has an empty stage")
      }
      guard !program.isEmpty, program != "!", program != "{", !isAssignment(program) else {
        throw refusal("'\(program)' in the place of a program")
      }
      commands.append(Command(words: words, text: String(text[start..<end])))
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
