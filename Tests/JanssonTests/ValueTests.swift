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
    #expect(value.members.map { $0.key } == ["b", "c"])
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
    #expect(Array(text.members.map { $0.key }).isEmpty)
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

  @Test(
    "objects of any size find, replace and remove members, and keep their order", arguments: [1, 16, 17, 40, 1_000])
  func manyKeys(_ count: Int) {
    // Short keys and long ones, whose first bytes are the same.
    let keys = (0..<count).map { $0 % 2 == 0 ? "k\($0)" : "a key that is much longer than others: \($0)" }
    let object = JSON.object
    for (number, key) in keys.enumerated() { object[key] = JSON(number) }
    for (number, key) in keys.enumerated() { #expect(object[key]?.integer == number) }
    #expect(object.count == count && object["no key"] == nil)
    let copy = object.shallowCopy()
    for key in keys.dropFirst(1) { object[key] = nil }
    #expect(object.members.map { $0.key } == Array(keys.prefix(1)))
    #expect(copy.members.map { $0.key } == keys)
    // Where most places are of removed members, they are used again.
    for round in 0..<3 {
      for (number, key) in keys.enumerated() { object[key] = JSON(number + round) }
      #expect(object.members.map { $0.key } == keys && object[keys[count - 1]]?.integer == count - 1 + round)
      for key in keys.dropFirst(1) { object[key] = nil }
      #expect(object.count == 1)
    }
    #expect(copy.count == count)
  }

  @Test("of repeated keys the last value counts, in the first place", arguments: [3, 16, 17, 400])
  func repeatedKeys(_ count: Int) throws {
    let short = (0..<count).map { "\"key-\($0 % 3)\":\($0)" }
    let long = (0..<count).map { "\"a long key: \($0 % 2)\":\($0)" }
    let members = short + long
    let object = try JSON.parse("{" + members.joined(separator: ",") + "}")
    let expected = ["key-0", "key-1", "key-2", "a long key: 0", "a long key: 1"]
    #expect(object.members.map { $0.key } == expected)
    let last = (0..<count).reversed()
    for key in 0..<3 { #expect(object["key-\(key)"]?.integer == last.first { $0 % 3 == key }) }
  }

  @Test("a value lives as long as one who holds it")
  func holders() throws {
    var inner: JSON?
    do {
      let outer = try JSON.parse(#"{"list":[{"text":"a string of more than fourteen bytes"}],"other":1}"#)
      inner = outer["list"]?[0]
      outer["list"] = nil
      #expect(outer.text == #"{"other":1}"#)
    }
    #expect(inner?["text"]?.string == "a string of more than fourteen bytes")
    let list = JSON.array
    for _ in 0..<100 { list.append(inner!) }
    inner = nil
    #expect(list.count == 100 && list[99]["text"]?.string == "a string of more than fourteen bytes")
    #expect(list[100].isNull)
  }

  @Test(
    "a text of more values than are allowed is told from one that is wrong",
    arguments: ["{}", "0", #""a""#, "[]", "null"])
  func tooManyValues(_ value: String) throws {
    // The list itself is a value too, and an object counts as more than one.
    let total = 1 + 99 * (value == "{}" ? JSONCheck.nodesOfAnObject : 1)
    let text = Array(("[" + Array(repeating: value, count: 99).joined(separator: ",") + "]").utf8)
    try text.withUnsafeBufferPointer { text in
      for allowed in [total - 1, total, total + 50] {
        var left = allowed
        do {
          _ = try JSON.parse(text, nodesLeft: &left)
          #expect(allowed >= total && left == allowed - total)
        } catch let error as JSONError {
          #expect(allowed < total && error.isTooLarge)
        }
      }
      var left = 50
      #expect(throws: JSONError.self) { try JSON.parse(text.cut(0, 3), nodesLeft: &left) }
      #expect(left == 50)
    }
  }
}
