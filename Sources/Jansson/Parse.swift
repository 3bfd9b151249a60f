// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// Why a text is not JSON.
package struct JSONError: Error, Equatable {
  /// Where it went wrong, in bytes from the start.
  package var offset: Int
  package var reason: String
  /// It may be JSON, but holds more values than a tree may have.
  package var isTooLarge = false
}

extension JSON {
  /// The most values that one text may hold: a tree takes up to 64 bytes for each, and its text as little as two.
  ///
  /// Programs set it once, before they read anything.
  nonisolated(unsafe) package static var maxNodes = JSONCheck.maxNodes

  /// Parses text that is exactly one value of any kind.
  ///
  /// It gives Jansson's answers, several times faster; but for integers beyond 64 bits, which keep their digits instead
  /// of being an error.
  ///
  /// - Parameters:
  ///   - lends: longer strings are not copied into the tree but looked up in `text`, which must outlive every value that
  ///     comes of it; they are written out again with the escapes they came with.
  package static func parse(_ text: ByteSlice, lends: Bool = false) throws(JSONError) -> JSON {
    var nodesLeft = maxNodes
    return try parse(text, lends: lends, nodesLeft: &nodesLeft)
  }

  /// Parses one of several texts whose trees stand in memory together.
  ///
  /// - Parameter nodesLeft: how many values all of them may still hold; less by those of this text afterwards.
  package static func parse(
    _ text: ByteSlice, lends: Bool = false, nodesLeft: inout Int
  ) throws(JSONError) -> JSON {
    var utf8 = UTF8Check()
    if let wrong = utf8.take(text) { throw JSONError(offset: wrong, reason: "the text is not valid UTF-8") }
    guard utf8.isWhole else { throw JSONError(offset: text.count, reason: "the text is not valid UTF-8") }
    var lexer = Lexer(text, lends: lends, maxNodes: nodesLeft)
    guard let root = lexer.document() else { throw lexer.error }
    nodesLeft = lexer.nodesLeft
    return JSON(owning: root)
  }

  package static func parse(_ text: String) throws(JSONError) -> JSON {
    var bytes = Bytes(capacity: text.utf8.count)
    bytes.append(text: text)
    return try parse(bytes.slice)
  }

  /// Parses what a model said, where half of a surrogate pair stands for U+FFFD.
  ///
  /// A model writes text in pieces, and nobody can send it back for a better one; a request is refused for the same.
  package static func parse(mending text: ByteSlice) throws(JSONError) -> JSON {
    do throws(JSONError) {
      return try parse(text)
    } catch {
      guard !error.isTooLarge, Scan.loneSurrogate(in: text) != nil else { throw error }
      var mended = Bytes(capacity: text.count)
      mended.append(mending: text)
      return try parse(mended.slice)
    }
  }
}

/// Reads JSON text into a tree.
///
/// The values of open containers lie on a stack, so that each container is made in its final size when it closes.
private struct Lexer: ~Copyable {
  private let text: ByteSlice
  private var at = 0
  private var depth = 0
  private(set) var nodesLeft: Int
  private(set) var error = JSONError(offset: 0, reason: "")
  private var scratch = Bytes()
  private let lends: Bool
  private var stack: UnsafeMutablePointer<Value>
  private var stackCount = 0
  private var stackCapacity = 64

  init(_ text: ByteSlice, lends: Bool, maxNodes: Int) {
    self.text = text
    self.lends = lends
    nodesLeft = maxNodes
    stack = UnsafeMutablePointer<Value>.allocate(capacity: stackCapacity)
  }

  deinit {
    // Of a text that was found to be wrong.
    for index in 0..<stackCount { stack[index].release() }
    Glibc.free(stack)
  }

  @inline(__always)
  private mutating func push(_ value: Value) {
    if stackCount == stackCapacity { growStack() }
    stack[stackCount] = value
    stackCount += 1
  }

  private mutating func growStack() {
    stackCapacity *= 2
    guard let moved = realloc(stack, stackCapacity * MemoryLayout<Value>.stride) else { fatalError("out of memory") }
    stack = moved.assumingMemoryBound(to: Value.self)
  }

  private mutating func fail(_ reason: String) -> Value? {
    if error.reason.isEmpty { error = JSONError(offset: at, reason: reason) }
    return nil
  }

  mutating func document() -> Value? {
    at = Scan.skipSpace(text, 0)
    guard at < text.count else { return fail("the text is empty") }
    guard let root = value() else { return nil }
    at = Scan.skipSpace(text, at)
    guard at == text.count else {
      root.release()
      return fail("something follows the value")
    }
    return root
  }

  private mutating func value() -> Value? {
    guard at < text.count else { return fail("the text ends too early") }
    guard nodesLeft > 0 else {
      if error.reason.isEmpty {
        error = JSONError(offset: at, reason: "the text holds too many values", isTooLarge: true)
      }
      return nil
    }
    nodesLeft -= 1
    switch text[at] {
    case UInt8(ascii: "{"): return object()
    case UInt8(ascii: "["): return array()
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "t"): return literal("true", Value(true))
    case UInt8(ascii: "f"): return literal("false", Value(false))
    case UInt8(ascii: "n"): return literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
    default: return fail("a value is expected")
    }
  }

  private mutating func literal(_ word: StaticString, _ value: Value) -> Value? {
    guard text.starts(with: word, at: at) else { return fail("a value is expected") }
    at += word.utf8CodeUnitCount
    return value
  }

  private mutating func object() -> Value? {
    guard depth < JSONCheck.maxDepth else { return fail("values are nested too deep") }
    depth += 1
    let base = stackCount
    guard members() else { return nil }
    depth -= 1
    let count = withoutRepeated(base)
    let object = (stack + base).withMemoryRebound(to: Member.self, capacity: count) { Value.object($0, count: count) }
    stackCount = base
    return object
  }

  /// Reads the members onto the stack.
  private mutating func members() -> Bool {
    at = Scan.skipSpace(text, at + 1)
    if at < text.count, text[at] == UInt8(ascii: "}") {
      at += 1
      return true
    }
    while true {
      guard at < text.count, text[at] == UInt8(ascii: "\"") else { return fail("a key is expected") != nil }
      guard let endOfKey = Scan.endOfString(text, at) else { return fail("a string has no end") != nil }
      let inside = text.cut(at + 1, endOfKey - 1)
      let afterKey = Scan.skipSpace(text, endOfKey)
      guard afterKey < text.count, text[afterKey] == UInt8(ascii: ":") else {
        at = afterKey
        return fail("a colon is expected") != nil
      }
      guard let key = key(inside) else { return fail("a key holds a bad escape") != nil }
      push(key)
      at = Scan.skipSpace(text, afterKey + 1)
      guard let member = value() else { return false }
      push(member)
      at = Scan.skipSpace(text, at)
      guard at < text.count else { return fail("the text ends too early") != nil }
      if text[at] == UInt8(ascii: "}") {
        at += 1
        return true
      }
      guard text[at] == UInt8(ascii: ",") else { return fail("a comma or a brace is expected") != nil }
      at = Scan.skipSpace(text, at + 1)
    }
  }

  private mutating func key(_ inside: ByteSlice) -> Value? {
    if inside.count == 0 { return Value(short: inside) }
    if Scan.plainRun(inside, 0) == inside.count {
      if inside.count <= Value.longestShort { return Value(short: inside) }
      return lends ? Value(lending: inside) : Value(copying: inside, as: .owned)
    }
    scratch.removeAll()
    guard scratch.append(unescaped: inside), scratch.slice.offset(of: 0) == nil else { return nil }
    return Value(text: scratch.slice)
  }

  /// Leaves of members with the same key the first one's place and the last one's value; returns how many are left.
  private mutating func withoutRepeated(_ base: Int) -> Int {
    let count = (stackCount - base) / 2
    return (stack + base).withMemoryRebound(to: Member.self, capacity: count) { members in
      if count <= ObjectBlock.longestScan {
        var kept = 0
        next: for place in 0..<count {
          for known in 0..<kept where members[known].key.isSameKey(as: members[place].key) {
            Self.replace(&members[known], by: members[place])
            continue next
          }
          if kept != place { members[kept] = members[place] }
          kept += 1
        }
        return kept
      }
      let index = KeyIndex(capacity: count)
      defer { index.free() }
      var kept = 0
      for place in 0..<count {
        if kept != place { members[kept] = members[place] }
        if let known = index.add(kept, in: members) {
          Self.replace(&members[known], by: members[kept])
        } else {
          kept += 1
        }
      }
      return kept
    }
  }

  private static func replace(_ member: inout Member, by last: Member) {
    member.value.release()
    member.value = last.value
    last.key.release()
  }

  private mutating func array() -> Value? {
    guard depth < JSONCheck.maxDepth else { return fail("values are nested too deep") }
    depth += 1
    let base = stackCount
    guard elements() else { return nil }
    depth -= 1
    let array = Value.array(stack + base, count: stackCount - base)
    stackCount = base
    return array
  }

  /// Reads the elements onto the stack.
  private mutating func elements() -> Bool {
    at = Scan.skipSpace(text, at + 1)
    if at < text.count, text[at] == UInt8(ascii: "]") {
      at += 1
      return true
    }
    while true {
      guard let element = value() else { return false }
      push(element)
      at = Scan.skipSpace(text, at)
      guard at < text.count else { return fail("the text ends too early") != nil }
      if text[at] == UInt8(ascii: "]") {
        at += 1
        return true
      }
      guard text[at] == UInt8(ascii: ",") else { return fail("a comma or a bracket is expected") != nil }
      at = Scan.skipSpace(text, at + 1)
    }
  }

  private mutating func string() -> Value? {
    let start = at + 1
    guard let (end, isPlain) = inside(from: start) else {
      return fail(
        Scan.endOfString(text, at) == nil ? "a string has no end" : "a string holds a bad escape or a control character"
      )
    }
    at = end + 1
    let inside = text.cut(start, end)
    if isPlain {
      if inside.count <= Value.longestShort { return Value(short: inside) }
      return lends ? Value(lending: inside) : Value(copying: inside, as: .owned)
    }
    if lends, inside.count >= Value.shortestEscapedLent { return Value(lending: inside) }
    scratch.removeAll()
    _ = scratch.append(unescaped: inside)
    return Value(text: scratch.slice)
  }

  /// Where the inside of a string ends, and whether it is free of escapes; nil where it is none.
  private func inside(from start: Int) -> (end: Int, isPlain: Bool)? {
    var at = start
    var isPlain = true
    while true {
      at = Scan.plainRun(text, at)
      guard at < text.count, text[at] >= 0x20 else { return nil }
      if text[at] == UInt8(ascii: "\"") { return (at, isPlain) }
      isPlain = false
      guard let next = endOfEscape(text, at) else { return nil }
      at = next
    }
  }

  private mutating func number() -> Value? {
    let start = at
    if text[at] == UInt8(ascii: "-") { at += 1 }
    var integer: Int? = 0
    let firstDigit = at
    while at < text.count, let digit = digit(at) {
      // Built below zero, where there is room for one more value.
      integer = integer.flatMap {
        let (tens, over) = $0.multipliedReportingOverflow(by: 10)
        let (sum, under) = tens.subtractingReportingOverflow(digit)
        return over || under ? nil : sum
      }
      at += 1
    }
    guard at > firstDigit, at == firstDigit + 1 || text[firstDigit] != UInt8(ascii: "0") else {
      return fail("a number is malformed")
    }
    var isReal = false
    if at < text.count, text[at] == UInt8(ascii: ".") {
      isReal = true
      at += 1
      guard skipDigits() else { return fail("a number is malformed") }
    }
    if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
      isReal = true
      at += 1
      if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
      guard skipDigits() else { return fail("a number is malformed") }
    }
    let isNegative = firstDigit > start
    if !isReal, let integer, isNegative || integer != .min {
      return Value(isNegative ? integer : -integer)
    }
    let digits = text.cut(start, at)
    let real = double(digits)
    guard real.isFinite else { return fail("a number is too large") }
    if isReal { return Value(real) }
    return lends ? Value(lending: digits, as: .lentInteger) : Value(copying: digits, as: .ownedInteger)
  }

  private func digit(_ at: Int) -> Int? {
    let value = Int(text[at]) - 0x30
    return value >= 0 && value <= 9 ? value : nil
  }

  private mutating func skipDigits() -> Bool {
    let start = at
    while at < text.count, digit(at) != nil { at += 1 }
    return at > start
  }
}
