// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Records
import Testing

@testable import ClaudeCLI

/// What the CLI printed, once.
struct Recording: CustomTestStringConvertible {
  var name: String
  var text: [UInt8]

  var testDescription: String { name }

  private static let folder =
    String(#filePath.dropLast("ClaudeCLITests/Recordings.swift".count)) + "StandIns/recordings"

  init(named name: String, text: String) { (self.name, self.text) = (name, Array(text.utf8)) }

  init(_ name: String) throws {
    self.name = name
    let file = open("\(Self.folder)/\(name).ndjson", O_RDONLY)
    try #require(file >= 0, "\(name) can't be opened")
    defer { close(file) }
    text = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(file, &piece, piece.count)
      if count <= 0 { return }
      text += piece[..<count]
    }
  }

  static func all() throws -> [Recording] {
    let listing = try #require(opendir(folder))
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".ndjson") { names.append(String(name.dropLast(7))) }
    }
    return try names.sorted().map { try Recording($0) }
  }

  /// The lines, parsed.
  var lines: [JSON] {
    get throws {
      try String(decoding: text, as: UTF8.self).split(separator: "\n").map { try JSON.parse(String($0)) }
    }
  }

  /// What an answer makes of the recording, handed over in pieces.
  func answer(
    inPiecesOf size: Int = .max, isStream: Bool = true, auth: Auth = .key, isBare: Bool = false
  ) -> (records: String, verdict: Answer.Verdict, failure: APIError?) {
    var ctx = Bytes()
    ctx.append(#"{"op":"messages"}"#)
    var answer = Answer(
      RequestID(text: "r", isBare: isBare), ctx: ctx, wantsStream: isStream, auth: auth)
    var splitter = LineSplitter()
    var out = Output()
    var verdict = Answer.Verdict.more
    var at = 0
    while at < text.count, verdict == .more {
      let end = min(text.count, size == .max ? text.count : at + size)
      text[at..<end].withUnsafeBufferPointer { splitter.append($0) }
      at = end
      while verdict == .more, let piece = splitter.next() {
        guard case .line(let line) = piece else { continue }
        verdict = answer.take(CLILine(line), elapsed: 5, now: 1_795_365_000, to: &out)
      }
    }
    if !answer.isOver { answer.fail(CLIError.broken("ended"), to: &out) }
    return (out.bytes.text, verdict, answer.failure)
  }
}
