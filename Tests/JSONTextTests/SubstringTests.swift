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

  @Test("a search finds what a naive one finds, at each place of a text and for each length")
  func likeANaiveSearch() {
    var random = SystemRandomNumberGenerator()
    var found = 0
    for _ in 0..<20_000 {
      // With two letters only, parts of the wanted text stand everywhere.
      let text = String(
        decoding: (0..<Int.random(in: 0...70, using: &random)).map { _ in UInt8.random(in: 97...98) }, as: UTF8.self)
      let wanted = String(
        decoding: (0..<Int.random(in: 0...9, using: &random)).map { _ in UInt8.random(in: 97...98) }, as: UTF8.self)
      let first = (0...text.utf8.count).first { text.utf8.dropFirst($0).starts(with: wanted.utf8) }
      #expect(text.mentions(wanted) == (first != nil), "\(wanted) in \(text)")
      if let first, !wanted.isEmpty {
        #expect(text.before(wanted).map(String.init) == String(text.prefix(first)), "\(wanted) in \(text)")
        found += 1
      }
    }
    #expect(found > 1_000)
  }
}
