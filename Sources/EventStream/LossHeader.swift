// SPDX-License-Identifier: MIT
import JSONText

/// The value of `x-proxy-loss`: `temperature=clamped, seed=dropped, unknown=2, more=7`.
///
/// It has names and fates only. Fields that no table knows are counted as `unknown`, because their names are the
/// caller's own words. Losses for which there is no room are counted as `more`.
enum LossHeader {
  /// How long it may be, in bytes: proxies in front have small limits for all headers together.
  static let maxLength = 1024

  /// - Parameters:
  ///   - entries: an array of `{"field":"temperature","fate":"clamped 1.7 to 1"}`.
  ///   - more: how many more losses were counted and not listed.
  static func value(_ entries: ByteSlice?, more counted: Int) -> String? {
    guard entries != nil || counted > 0 else { return nil }
    var text = ""
    var known: Set<String> = []
    var unknown = 0
    var more = counted
    // The counts come last, and there is always room for them.
    let room = maxLength - ", unknown=, more=".utf8.count - 2 * "\(Int.max)".utf8.count
    if let entries {
      Scan.elements(entries) { entry in
        guard let field = Scan.plainString(Scan.member("field", of: entry)), field.allSatisfy(isFieldByte),
          Scan.member("unknown", of: entry) == nil, let fate = Scan.plainString(Scan.member("fate", of: entry))
        else {
          unknown += 1
          return true
        }
        let word = fate.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
        guard text.utf8.count + field.count + word.count + 3 <= room else {
          more += 1
          return true
        }
        let named = field.text + "=" + String(decoding: word, as: UTF8.self)
        // The same field may be lost in several ways of one kind.
        if known.insert(named).inserted { text += text.isEmpty ? named : ", " + named }
        return true
      }
    }
    if unknown > 0 { text += (text.isEmpty ? "" : ", ") + "unknown=\(unknown)" }
    if more > 0 { text += (text.isEmpty ? "" : ", ") + "more=\(more)" }
    return text.isEmpty ? nil : text
  }

  private static func isFieldByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "_.-[]") }
}
