// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Testing

@Suite("JSON values")
struct ValueTests {
  @Test("members keep their order, and setting one keeps its place")
  func order() throws {
    let value = try JSON.parse(#"{"b":1,"a":2}"#)
    value["b"] = JSON(3)
    value["c"] = .null
    #expect(value.text == #"{"b":3,"a":2,"c":null}"#)
    value["a"] = nil
    #expect(value.members.map(\.key) == ["b", "c"])
  }

  @Test("a shallow copy has members of its own")
  func copies() {
    let value = JSON(object: ["a": JSON(1)])
    let copy = value.shallowCopy()
    copy["a"] = JSON(2)
    #expect(value.text == #"{"a":1}"#)
    #expect(copy.text == #"{"a":2}"#)
  }

  @Test("reading another kind gives nothing")
  func otherKinds() {
    let text = JSON("text")
    #expect(text["a"] == nil)
    #expect(text.count == 0)
    #expect(Array(text.elements).isEmpty)
    #expect(Array(text.members.map(\.key)).isEmpty)
    #expect(text.integer == nil && text.number == nil && text.bool == nil)
    #expect(JSON(1).string == nil)
    #expect(JSON(1.5).integer == nil)
    #expect(JSON(1).number == 1)
    #expect(JSON(.infinity).isNull)
  }

  @Test("keys and strings may be empty, and strings may hold any character")
  func texts() throws {
    let value = JSON.object
    value[""] = JSON("")
    value["é"] = JSON("a\u{0}b")
    #expect(value.text == #"{"":"","é":"a\u0000b"}"#)
    #expect(try JSON.parse(value.text)["é"]?.string == "a\u{0}b")
    #expect(value[""]?.equals("") == true)
    #expect(JSON("ab").equals("a") == false)
  }
}
