// SPDX-License-Identifier: MIT

/// Checks text that arrives in pieces to be exactly one JSON value, in valid UTF-8 (RFC 8259).
///
/// It keeps no text: a body of any size is checked as it comes in, in constant memory.
package struct JSONCheck {
  /// What is wrong, and where.
  package struct Fault: Error, Equatable {
    /// The offset of the first byte that can't stand where it stands, from the start of the text.
    package var offset: Int
    package var reason: String
    /// It may be JSON so far, but holds more values than it may.
    package var isTooLarge = false
  }

  /// How deep values may be nested; Jansson's own limit.
  package static let maxDepth = 2048

  /// How many values a text may hold, itself included, where nothing else is set. Each key counts as a value too: a tree
  /// takes some 70 bytes for each of them, and the text as little as two.
  package static let maxNodes = 1_000_000

  /// What an object counts, besides its keys and their values: its table takes as much memory as two more values.
  package static let nodesOfAnObject = 3

  private enum State {
    case value, firstKeyOrEnd, key, colon, firstValueOrEnd, commaOrEnd, done
    case string, escape, hex
    case minus, zero, digits, point, fraction, exponent, exponentSign, exponentDigits
    case literal
  }

  private var state = State.value
  /// What each open container is: true for an object.
  private var open: [Bool] = []
  private var stringIsKey = false
  private var nodesLeft: Int
  private var hexLeft = 0
  private var literal: StaticString = "null"
  private var literalAt = 0
  private var utf8 = UTF8Check()
  /// How many bytes have been taken.
  package private(set) var count = 0
  /// The first byte of the value: tells an object from the rest.
  package private(set) var firstByte: UInt8?

  /// - Parameter maxNodes: the most values that the text may hold.
  package init(maxNodes: Int = JSONCheck.maxNodes) { nodesLeft = maxNodes }

  /// True when what was taken is one whole value.
  ///
  /// A number at the top level is whole at every digit, so ask at the end of the text only.
  package var isComplete: Bool {
    switch state {
    case .done: true
    case .zero, .digits, .fraction, .exponentDigits: open.isEmpty
    default: false
    }
  }

  /// What to say when the text ends before the value does.
  package var endFault: Fault? {
    isComplete ? nil : Fault(offset: count, reason: count == 0 ? "the text is empty" : "the text ends too early")
  }

  /// Takes the next piece, and turns CR and LF between tokens into spaces, so that the value fits on one line.
  package mutating func take(_ text: UnsafeMutableBufferPointer<UInt8>) throws(Fault) {
    var at = 0
    let slice = ByteSlice(text)
    while at < text.count {
      if state == .string {
        let stop = Scan.plainRun(slice, at)
        if stop > at {
          if let wrong = utf8.take(slice.cut(at, stop)) { throw fault(at + wrong, "the text is not valid UTF-8") }
          at = stop
          continue
        }
      } else if state == .commaOrEnd || state == .colon || state == .value || state == .key {
        // The places where white space is usual.
        while at < text.count, Scan.isSpace(text[at]) {
          if text[at] == 0x0A || text[at] == 0x0D { text[at] = 0x20 }
          at += 1
        }
        if at == text.count { break }
      }
      let byte = text[at]
      if !step(byte) {
        if nodesLeft < 0 {
          throw Fault(offset: count + at, reason: "the text holds too many values", isTooLarge: true)
        }
        throw fault(at, Self.reason(byte, state))
      }
      if byte == 0x0A || byte == 0x0D { text[at] = 0x20 }
      at += 1
    }
    count += text.count
  }

  private func fault(_ at: Int, _ reason: String) -> Fault { Fault(offset: count + at, reason: reason) }

  private static func reason(_ byte: UInt8, _ state: State) -> String {
    if byte >= 0x80 { return "a byte outside of ASCII stands outside of a string" }
    let shown = byte > 0x20 && byte < 0x7F ? "'\(Character(UnicodeScalar(byte)))'" : "the byte \(byte)"
    return switch state {
    case .string: byte < 0x20 ? "a control character stands unescaped in a string" : "\(shown) is unexpected"
    case .escape, .hex: "a string holds a bad escape"
    case .done: "\(shown) follows the value"
    default: "\(shown) is unexpected"
    }
  }

  /// Moves on by one byte; false where it can't stand here.
  private mutating func step(_ byte: UInt8) -> Bool {
    switch state {
    case .value, .firstValueOrEnd:
      if Scan.isSpace(byte) { return true }
      if state == .firstValueOrEnd, byte == UInt8(ascii: "]") { return close(object: false) }
      return begin(byte)
    case .firstKeyOrEnd, .key:
      if Scan.isSpace(byte) { return true }
      if state == .firstKeyOrEnd, byte == UInt8(ascii: "}") { return close(object: true) }
      guard byte == UInt8(ascii: "\"") else { return false }
      nodesLeft -= 1
      guard nodesLeft >= 0 else { return false }
      (state, stringIsKey) = (.string, true)
      return true
    case .colon:
      if Scan.isSpace(byte) { return true }
      guard byte == UInt8(ascii: ":") else { return false }
      state = .value
      return true
    case .commaOrEnd:
      if Scan.isSpace(byte) { return true }
      guard let inObject = open.last else { return false }
      if byte == UInt8(ascii: ",") {
        state = inObject ? .key : .value
        return true
      }
      return byte == (inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) && close(object: inObject)
    case .done:
      return Scan.isSpace(byte)
    case .string: return inString(byte)
    case .escape:
      switch byte {
      case UInt8(ascii: "u"): (state, hexLeft) = (.hex, 4)
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
        UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
        state = .string
      default: return false
      }
      return true
    case .hex:
      guard hexValue(byte) != nil else { return false }
      hexLeft -= 1
      if hexLeft == 0 { state = .string }
      return true
    case .literal:
      guard byte == literal.utf8Start[literalAt] else { return false }
      literalAt += 1
      if literalAt == literal.utf8CodeUnitCount { valueEnded() }
      return true
    case .minus, .zero, .digits, .point, .fraction, .exponent, .exponentSign, .exponentDigits:
      return inNumber(byte)
    }
  }

  private mutating func inString(_ byte: UInt8) -> Bool {
    if !utf8.isWhole { return utf8.take(byte) }
    switch byte {
    case UInt8(ascii: "\\"): state = .escape
    case UInt8(ascii: "\""):
      if stringIsKey {
        (state, stringIsKey) = (.colon, false)
      } else {
        valueEnded()
      }
    case ..<0x20: return false
    default: return utf8.take(byte)
    }
    return true
  }

  private mutating func begin(_ byte: UInt8) -> Bool {
    if firstByte == nil { firstByte = byte }
    nodesLeft -= byte == UInt8(ascii: "{") ? Self.nodesOfAnObject : 1
    guard nodesLeft >= 0 else { return false }
    switch byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard open.count < Self.maxDepth else { return false }
      let object = byte == UInt8(ascii: "{")
      open.append(object)
      state = object ? .firstKeyOrEnd : .firstValueOrEnd
    case UInt8(ascii: "\""): state = .string
    case UInt8(ascii: "-"): state = .minus
    case UInt8(ascii: "0"): state = .zero
    case UInt8(ascii: "1")...UInt8(ascii: "9"): state = .digits
    case UInt8(ascii: "t"): (state, literal, literalAt) = (.literal, "true", 1)
    case UInt8(ascii: "f"): (state, literal, literalAt) = (.literal, "false", 1)
    case UInt8(ascii: "n"): (state, literal, literalAt) = (.literal, "null", 1)
    default: return false
    }
    return true
  }

  private mutating func inNumber(_ byte: UInt8) -> Bool {
    let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    switch (state, byte) {
    case (.minus, UInt8(ascii: "0")): state = .zero
    case (.minus, _) where isDigit: state = .digits
    case (.digits, _) where isDigit, (.fraction, _) where isDigit, (.exponentDigits, _) where isDigit: break
    case (.zero, UInt8(ascii: ".")), (.digits, UInt8(ascii: ".")): state = .point
    case (.point, _) where isDigit: state = .fraction
    case (.zero, UInt8(ascii: "e")), (.zero, UInt8(ascii: "E")), (.digits, UInt8(ascii: "e")),
      (.digits, UInt8(ascii: "E")), (.fraction, UInt8(ascii: "e")), (.fraction, UInt8(ascii: "E")):
      state = .exponent
    case (.exponent, UInt8(ascii: "+")), (.exponent, UInt8(ascii: "-")): state = .exponentSign
    case (.exponent, _) where isDigit, (.exponentSign, _) where isDigit: state = .exponentDigits
    case (.zero, _), (.digits, _), (.fraction, _), (.exponentDigits, _):
      // The number ended with the byte before this one.
      valueEnded()
      return step(byte)
    default: return false
    }
    return true
  }

  private mutating func close(object: Bool) -> Bool {
    open.removeLast()
    valueEnded()
    return true
  }

  private mutating func valueEnded() { state = open.isEmpty ? .done : .commaOrEnd }
}
