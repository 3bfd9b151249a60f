// SPDX-License-Identifier: MIT
import JSONText
import Testing

@Suite("search for a text")
struct SubstringTests {
  @Test("a text mentions what stands in it", arguments: ["a", "Füße", "üß", "ße und", "", "Füße und mehr"])
  func mentions(_ wanted: String) { #expect("a: Füße und mehr"[...].mentions(wanted)) }

  @Test("a text does not mention what does not stand in it", arguments: ["b", "FÜSSE", "mehr ", "a: Füße und mehr!"])
  func mentionsNot(_ wanted: String) { #expect(!"a: Füße und mehr".mentions(wanted)) }

  @Test("the empty text mentions the empty text alone")
  func empty() {
    #expect("".mentions(""))
    #expect(!"".mentions("a"))
  }

  @Test("what stands before the first place of a text")
  func before() {
    #expect("grün, blau, rot".before(", ") == "grün")
    #expect(", rot".before(", ") == "")
    #expect("grün, blau, rot".dropFirst(6).before(", ") == "blau")
    #expect("grün".before(", ") == nil)
  }
}
