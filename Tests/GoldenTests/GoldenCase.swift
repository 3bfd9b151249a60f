// SPDX-License-Identifier: MIT
import Foundation
import Testing

/// A golden case: `Tests/Golden/PROGRAM/NAME.in` and what belongs to it.
struct GoldenCase: CustomTestStringConvertible, Sendable {
  let folder: URL
  let name: String

  /// The cases of a program, by name.
  static func all(of program: String, but skipped: Set<String> = []) throws -> [GoldenCase] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Golden/\(program)")
    let cases = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".in") }
      .map { GoldenCase(folder: folder, name: String($0.dropLast(3))) }
    let names = Set(cases.map(\.name))
    // A case that is gone must leave the list too.
    #expect(skipped.isSubset(of: names))
    return cases.filter { !skipped.contains($0.name) }.sorted { $0.name < $1.name }
  }

  var testDescription: String { name }

  private func part(_ kind: String) -> Data? { try? Data(contentsOf: folder.appending(path: "\(name).\(kind)")) }

  var input: [UInt8] { Array(part("in") ?? Data()) }
  var output: String { String(decoding: part("out") ?? Data(), as: UTF8.self) }

  /// The exit status, which is a failure's kind.
  var status: Int32 {
    part("status").flatMap { Int32(String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .newlines)) } ?? 0
  }

  var options: Options {
    Options(
      String(decoding: part("args") ?? Data(), as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init))
  }

  /// A file that an option names, beside the case.
  func file(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: name))) }
}

/// A folder for what a case writes, made by whoever writes there, and removed with this.
final class ScratchFolder {
  private let url = FileManager.default.temporaryDirectory.appending(path: "golden-\(UUID().uuidString)")
  func path(of name: String) -> String { url.appending(path: name).path }
  deinit { try? FileManager.default.removeItem(at: url) }
}

/// The words of a case's arguments, as far as these tests know them.
struct Options {
  private var values: [String: [String]] = [:]
  private var flags: Set<String> = []

  init(_ words: [String]) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if let value = rest.first, !value.hasPrefix("--") {
        values[word, default: []].append(value)
        rest.removeFirst()
      } else {
        flags.insert(word)
      }
    }
  }

  func has(_ flag: String) -> Bool { flags.contains(flag) }
  func all(_ name: String) -> [String]? { values[name] }
  func value(_ name: String) -> String? { values[name]?.last }
  func number(_ name: String) -> Int? { value(name).flatMap { Int($0) } }
}
