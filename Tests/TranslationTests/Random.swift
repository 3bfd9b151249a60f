// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson
import Records

/// Chance, the same on every run (SplitMix64).
struct Random {
  private var state: UInt64

  init(seed: Int) { state = UInt64(seed) &* 0x2545_F491_4F6C_DD1D }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func one(in count: Int) -> Bool { below(count) == 0 }

  mutating func any<T>(of choices: [T]) -> T { choices[below(choices.count)] }
}

/// How many cases a property is tried on: `FUZZ_CASES` of them, or as many as take a second or two.
enum Cases {
  static let batches = 0..<8

  private static let wanted = getenv("FUZZ_CASES").flatMap { Int(String(cString: $0)) }

  /// The seeds of one batch.
  static func seeds(_ batch: Int, of usual: Int) -> Range<Int> {
    let count = (wanted ?? usual) / batches.count
    return batch * count..<(batch + 1) * count
  }
}

/// What a filter says of bytes that arrive in pieces, cut where told.
func said(
  by filter: some RecordFilter, of input: [UInt8], cutAt cuts: [Int] = [],
  default context: String = #"{"op":"messages"}"#
) -> String {
  var run = Run(filter, defaultContext: context)
  input.withUnsafeBufferPointer { input in
    do throws(Failure) {
      var start = 0
      for cut in cuts + [input.count] {
        try run.take(input.cut(start, cut))
        start = cut
      }
      try run.finish()
    } catch {
      fatalError("no input ends a run: \(error)")
    }
  }
  return run.output.bytes.text
}

/// One record of an output, read.
struct Said {
  let rid: String
  let kind: String
  let payload: JSON
  let text: String

  /// The records of an output, or what is wrong with it.
  static func records(_ output: String) throws -> [Said] {
    try output.split(separator: "\n").map { line in
      let record = try JSON.parse(String(line))
      let members = record.members.map { $0 }
      guard let rid = record["rid"]?.string, let last = members.last else { throw Wrong("no record: \(line)") }
      return Said(rid: rid, kind: last.key, payload: last.value, text: String(line))
    }
  }
}

/// A promise that was not kept.
struct Wrong: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Throws unless the promise is kept.
func hold(_ promise: @autoclosure () -> String, _ isKept: Bool) throws {
  if !isKept { throw Wrong(promise()) }
}
