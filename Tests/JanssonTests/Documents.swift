// SPDX-License-Identifier: MIT

/// Makes JSON texts, the same ones on every run.
struct Documents {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64: small, and the same everywhere.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func any<T>(of choices: [T]) -> T { choices[below(choices.count)] }

  mutating func space() -> String { any(of: ["", "", "", " ", "\n", "\t ", "\r\n"]) }

  mutating func value(depth: Int = 0) -> String {
    switch below(depth > 4 ? 5 : 9) {
    case 0: return any(of: ["true", "false", "null"])
    case 1: return integer()
    case 2: return real()
    case 3, 4: return string()
    case 5, 6: return list("[", "]") { $0.value(depth: depth + 1) }
    default:
      return list("{", "}") { $0.string(isKey: true) + $0.space() + ":" + $0.space() + $0.value(depth: depth + 1) }
    }
  }

  private mutating func list(_ open: String, _ close: String, _ element: (inout Documents) -> String) -> String {
    var parts: [String] = []
    for _ in 0..<below(5) { parts.append(space() + element(&self) + space()) }
    return open + (parts.isEmpty ? space() : parts.joined(separator: ",")) + close
  }

  private mutating func integer() -> String {
    switch below(4) {
    case 0: String(below(10))
    case 1: any(of: ["-0", "0", "9223372036854775807", "-9223372036854775808", "-1"])
    default: String(Int64(bitPattern: next()) >> Int64(below(60)))
    }
  }

  private mutating func real() -> String {
    switch below(4) {
    case 0: any(of: ["0.7", "0.1", "1e3", "1E-7", "-0.0", "5e-324", "1.7976931348623157e308", "1e22", "123456789.125"])
    case 1: "\(below(1000)).\(below(1000))"
    default: "\(Double(Int64(bitPattern: next()) >> 11) / Double(1 + below(1_000_000)))"
    }
  }

  mutating func string(isKey: Bool = false) -> String {
    var text = ""
    for _ in 0..<below(below(4) == 0 ? 40 : 6) {
      switch below(8) {
      case 0: text += any(of: [#"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#, #"\r"#, #"\t"#])
      case 1: text += any(of: [#"\u0041"#, #"\u00e9"#, #"\u20AC"#, #"\ud83d\ude00"#, #"\u001f"#, #"\uFFFF"#])
      case 2: text += isKey ? "k" : #"\u0000"#
      case 3: text += any(of: ["é", "€", "日本", "😀", "\u{7F}", "\u{80}", "\u{FFFD}"])
      default: text += any(of: ["a", "key", " ", "{", "]", ":", ",", "model", "0"])
      }
    }
    return "\"" + text + "\""
  }

  /// The text with one byte changed, left out or put in.
  mutating func damaged(_ text: String) -> [UInt8] {
    var bytes = Array(text.utf8)
    let at = below(bytes.count)
    let byte = any(of: Array("\"\\{}[],:0123eE+-.tfn \n\u{1}/".utf8) + [0x80, 0xC3, 0xFF])
    switch below(3) {
    case 0: bytes[at] = byte
    case 1: bytes.remove(at: at)
    default: bytes.insert(byte, at: at)
    }
    return bytes
  }
}
