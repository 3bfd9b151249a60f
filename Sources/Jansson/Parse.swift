// SPDX-License-Identifier: MIT
import CJansson
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
  /// The most values that one text may hold, as ``JSONCheck`` counts them.
  ///
  /// Programs set it once, before they read anything.
  nonisolated(unsafe) package static var maxNodes = JSONCheck.maxNodes

  /// Parses text that is exactly one value of any kind.
  ///
  /// It gives Jansson's tree and Jansson's answers, several times faster than Jansson's own lexer; but for integers
  /// beyond 64 bits, which keep their digits instead of being an error.
  ///
  /// - Parameter lends: longer strings are not copied into the tree but looked up in `text`, which must outlive every
  ///   value that comes of it; they are written out again with the escapes they came with.
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

  /// Parses the output of a model; half of a surrogate pair becomes U+FFFD.
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

  /// Parses by Jansson's own lexer: the reference that ``parse(_:)`` is held to.
  package static func parseReference(_ text: ByteSlice) throws(JSONError) -> JSON {
    var error = json_error_t()
    let flags = Int(JSON_DECODE_ANY | JSON_ALLOW_NUL)
    let root = text.withMemoryRebound(to: CChar.self) {
      json_loadb($0.baseAddress ?? UnsafePointer(bitPattern: 1)!, $0.count, flags, &error)
    }
    guard let root else {
      let reason = withUnsafeBytes(of: error.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw JSONError(offset: Int(error.position), reason: reason)
    }
    return JSON(owning: root)
  }
}

/// Reads JSON text into Jansson's tree.
private struct Lexer: ~Copyable {
  private let text: ByteSlice
  private var at = 0
  private var depth = 0
  private(set) var error = JSONError(offset: 0, reason: "")
  private var scratch = Bytes()
  private let lends: Bool
  private(set) var nodesLeft: Int

  init(_ text: ByteSlice, lends: Bool, maxNodes: Int) {
    self.text = text
    self.lends = lends
    nodesLeft = maxNodes
  }

  private mutating func fail(_ reason: String) -> UnsafeMutablePointer<json_t>? {
    if error.reason.isEmpty { error = JSONError(offset: at, reason: reason) }
    return nil
  }

  mutating func document() -> UnsafeMutablePointer<json_t>? {
    at = Scan.skipSpace(text, 0)
    guard at < text.count else { return fail("the text is empty") }
    guard let root = value() else { return nil }
    at = Scan.skipSpace(text, at)
    guard at == text.count else {
      json_decref(root)
      return fail("something follows the value")
    }
    return root
  }

  private mutating func value() -> UnsafeMutablePointer<json_t>? {
    guard at < text.count else { return fail("the text ends too early") }
    nodesLeft -= text[at] == UInt8(ascii: "{") ? JSONCheck.nodesOfAnObject : 1
    guard nodesLeft >= 0 else {
      if error.reason.isEmpty {
        error = JSONError(offset: at, reason: "the text holds too many values", isTooLarge: true)
      }
      return nil
    }
    switch text[at] {
    case UInt8(ascii: "{"): return object()
    case UInt8(ascii: "["): return array()
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "t"): return literal("true", json_true())
    case UInt8(ascii: "f"): return literal("false", json_false())
    case UInt8(ascii: "n"): return literal("null", json_null())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
    default: return fail("a value is expected")
    }
  }

  private mutating func literal(
    _ word: StaticString, _ node: UnsafeMutablePointer<json_t>?
  ) -> UnsafeMutablePointer<json_t>? {
    guard text.starts(with: word, at: at) else { return fail("a value is expected") }
    at += word.utf8CodeUnitCount
    return node
  }

  private mutating func object() -> UnsafeMutablePointer<json_t>? {
    guard depth < JSONCheck.maxDepth else { return fail("values are nested too deep") }
    depth += 1
    guard let object = json_object() else { return fail("out of memory") }
    if members(of: object) {
      depth -= 1
      return object
    }
    json_decref(object)
    return nil
  }

  private mutating func members(of object: UnsafeMutablePointer<json_t>) -> Bool {
    at = Scan.skipSpace(text, at + 1)
    if at < text.count, text[at] == UInt8(ascii: "}") {
      at += 1
      return true
    }
    while true {
      guard at < text.count, text[at] == UInt8(ascii: "\"") else { return fail("a key is expected") != nil }
      guard let endOfKey = Scan.endOfString(text, at) else { return fail("a string has no end") != nil }
      nodesLeft -= 1
      let inside = text.cut(at + 1, endOfKey - 1)
      let afterKey = Scan.skipSpace(text, endOfKey)
      guard afterKey < text.count, text[afterKey] == UInt8(ascii: ":") else {
        at = afterKey
        return fail("a colon is expected") != nil
      }
      if Scan.plainRun(inside, 0) == inside.count {
        at = Scan.skipSpace(text, afterKey + 1)
        guard let member = value() else { return false }
        put(member, at: inside, in: object)
      } else {
        var key = Bytes()
        guard key.append(unescaped: inside), key.slice.offset(of: 0) == nil else {
          return fail("a key holds a bad escape") != nil
        }
        at = Scan.skipSpace(text, afterKey + 1)
        guard let member = value() else { return false }
        put(member, at: key.slice, in: object)
      }
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

  private func put(
    _ member: UnsafeMutablePointer<json_t>, at key: ByteSlice, in object: UnsafeMutablePointer<json_t>
  ) {
    guard let start = key.baseAddress, key.count > 0 else {
      json_object_setn_new_nocheck(object, "", 0, member)
      return
    }
    json_object_setn_new_nocheck(
      object, UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), key.count, member)
  }

  private mutating func array() -> UnsafeMutablePointer<json_t>? {
    guard depth < JSONCheck.maxDepth else { return fail("values are nested too deep") }
    depth += 1
    guard let array = json_array() else { return fail("out of memory") }
    if elements(of: array) {
      depth -= 1
      return array
    }
    json_decref(array)
    return nil
  }

  private mutating func elements(of array: UnsafeMutablePointer<json_t>) -> Bool {
    at = Scan.skipSpace(text, at + 1)
    if at < text.count, text[at] == UInt8(ascii: "]") {
      at += 1
      return true
    }
    while true {
      guard let element = value() else { return false }
      json_array_append_new(array, element)
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

  private mutating func string() -> UnsafeMutablePointer<json_t>? {
    let start = at + 1
    guard let (end, isPlain) = inside(from: start) else {
      return fail(
        Scan.endOfString(text, at) == nil ? "a string has no end" : "a string holds a bad escape or a control character"
      )
    }
    at = end + 1
    let inside = text.cut(start, end)
    if lends, inside.count >= LentString.shortest { return LentString.node(inside) }
    if isPlain { return node(inside) }
    scratch.removeAll()
    _ = scratch.append(unescaped: inside)
    return node(scratch.slice)
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

  private func node(_ utf8: ByteSlice) -> UnsafeMutablePointer<json_t>? {
    guard let start = utf8.baseAddress, utf8.count > 0 else { return json_stringn_nocheck("", 0) }
    return json_stringn_nocheck(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), utf8.count)
  }

  private mutating func number() -> UnsafeMutablePointer<json_t>? {
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
      return json_integer(json_int_t(isNegative ? integer : -integer))
    }
    let digits = text.cut(start, at)
    let real = double(digits)
    guard real.isFinite else { return fail("a number is too large") }
    return isReal ? json_real(real) : BigInteger.node(digits)
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
