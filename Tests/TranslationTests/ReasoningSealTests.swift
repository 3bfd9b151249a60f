// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Testing

@testable import Translation

@Suite("sealed blocks")
struct ReasoningSealTests {
  /// What a client sends back are the blocks as they came.
  @Test(
    "come back as they were",
    arguments: [
      "[]",
      #"[{"type":"thinking","thinking":"Hm \"é\" 🐟\u0000","signature":"c2ln+/="}]"#,
      #"[{"type":"redacted_thinking","data":"eHh4"},{"type":"thinking","thinking":"","signature":""}]"#,
      #"[{"type":"compaction","content":null,"encrypted_content":"e"}]"#,
    ])
  func comeBack(_ text: String) throws {
    let blocks = try JSON.parse(text).elements.map { $0 }
    let sealed = ReasoningSeal.seal(blocks)
    #expect(ReasoningSeal.open(sealed) == blocks)
    // Fit for an URL, a header and a cookie.
    #expect(sealed.string?.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) } == true)
  }

  @Test(
    "of others, or damaged, are none",
    arguments: [
      "", "cpr1", "cpr1.", "gAAAAABo", "cpr2.W10", "cpr1.W1", "cpr1.W10x", "cpr1.e30", "cpr1.!W10", "cpr1.WzFd",
      // [{"type":"text","text":"a"}]
      "cpr1.W3sidHlwZSI6InRleHQiLCJ0ZXh0IjoiYSJ9XQ",
    ])
  func areNone(_ text: String) {
    #expect(ReasoningSeal.open(JSON(text)) == nil)
  }

  @Test("are strings alone")
  func areStrings() {
    for value in [JSON.null, JSON(1), .object, .array] { #expect(ReasoningSeal.open(value) == nil) }
  }
}
