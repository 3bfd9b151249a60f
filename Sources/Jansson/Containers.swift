// SPDX-License-Identifier: MIT
import CJansson
import Glibc
import JSONText

/// A member of an object.
struct Member {
  var key: Value
  var value: Value
}

/// The block of an array. It stays where it is while its elements move, so that all who share it see each change.
struct ArrayBlock {
  private var holders: UInt32 = 1
  private(set) var count: UInt32
  private var capacity: UInt32
  private(set) var values: UnsafeMutablePointer<Value>?

  private init(count: UInt32, values: UnsafeMutablePointer<Value>?) {
    self.count = count
    self.values = values
    capacity = count
  }

  /// Takes over the holds that the values have.
  static func make(_ values: UnsafePointer<Value>?, count: Int) -> UnsafeMutableRawPointer {
    var copy: UnsafeMutablePointer<Value>?
    if count > 0, let values {
      let size = count * MemoryLayout<Value>.stride
      copy = NodePool.take(size).assumingMemoryBound(to: Value.self)
      memcpy(copy.unsafelyUnwrapped, values, size)
    }
    let block = NodePool.take(MemoryLayout<ArrayBlock>.size)
    block.initializeMemory(as: ArrayBlock.self, to: ArrayBlock(count: UInt32(count), values: copy))
    return block
  }

  mutating func append(_ value: Value) {
    if count == capacity {
      let wanted = max(2 * capacity, 1)
      let stride = MemoryLayout<Value>.stride
      values = NodePool.resize(values, from: Int(capacity) * stride, to: Int(wanted) * stride)
        .assumingMemoryBound(to: Value.self)
      capacity = wanted
    }
    value.retain()
    values.unsafelyUnwrapped[Int(count)] = value
    count += 1
  }

  func copy() -> Value {
    for index in 0..<Int(count) { values.unsafelyUnwrapped[index].retain() }
    return .array(values, count: Int(count))
  }

  /// Frees the block; the elements' holds pass to `body`.
  static func consume(_ block: UnsafeMutableRawPointer, _ body: (Value) -> Void) {
    let array = block.assumingMemoryBound(to: ArrayBlock.self)
    if let values = array.pointee.values {
      for index in 0..<Int(array.pointee.count) { body(values[index]) }
      NodePool.give(values, Int(array.pointee.capacity) * MemoryLayout<Value>.stride)
    }
    NodePool.give(block, MemoryLayout<ArrayBlock>.size)
  }

  static func free(_ block: UnsafeMutableRawPointer) {
    let array = block.assumingMemoryBound(to: ArrayBlock.self)
    if let values = array.pointee.values {
      for index in 0..<Int(array.pointee.count) { values[index].release() }
      NodePool.give(values, Int(array.pointee.capacity) * MemoryLayout<Value>.stride)
    }
    NodePool.give(block, MemoryLayout<ArrayBlock>.size)
  }
}

/// The block of an object: its members in their order, and an index of the keys where there are many.
struct ObjectBlock {
  private var holders: UInt32 = 1
  /// The members, without the places of removed ones.
  private(set) var count: UInt32
  /// The places in use.
  private(set) var used: UInt32
  private var capacity: UInt32
  private(set) var members: UnsafeMutablePointer<Member>?
  private var index: KeyIndex?

  /// As many keys are compared one by one, faster than a hash is made.
  static let longestScan = 16

  private init(count: UInt32, members: UnsafeMutablePointer<Member>?) {
    self.count = count
    used = count
    capacity = count
    self.members = members
  }

  /// Takes over the holds that the members have.
  ///
  /// - Parameter members: with distinct keys.
  static func make(_ members: UnsafePointer<Member>?, count: Int) -> UnsafeMutableRawPointer {
    var copy: UnsafeMutablePointer<Member>?
    if count > 0, let members {
      let size = count * MemoryLayout<Member>.stride
      copy = NodePool.take(size).assumingMemoryBound(to: Member.self)
      memcpy(copy.unsafelyUnwrapped, members, size)
    }
    let block = NodePool.take(MemoryLayout<ObjectBlock>.size)
    block.initializeMemory(as: ObjectBlock.self, to: ObjectBlock(count: UInt32(count), members: copy))
    return block
  }

  // MARK: Members

  /// The place of a key.
  mutating func find(_ key: Value) -> Int? {
    guard let members else { return nil }
    if used > Self.longestScan {
      if index == nil { index = KeyIndex(members, count: Int(used)) }
      return index?.find(key, in: members)
    }
    for place in 0..<Int(used) where members[place].key.isSameKey(as: key) { return place }
    return nil
  }

  mutating func set(_ key: ByteSlice, _ value: Value) {
    value.retain()
    let probe = key.count <= Value.longestShort ? Value(short: key) : Value(lending: key)
    if let place = find(probe) {
      let old = members.unsafelyUnwrapped[place].value
      members.unsafelyUnwrapped[place].value = value
      return old.release()
    }
    if used == capacity { makeRoom() }
    let member = Member(key: Value(text: key), value: value)
    members.unsafelyUnwrapped[Int(used)] = member
    used += 1
    count += 1
    index?.insert(Int(used) - 1, in: members.unsafelyUnwrapped, count: Int(used))
  }

  mutating func remove(_ key: ByteSlice) {
    let probe = key.count <= Value.longestShort ? Value(short: key) : Value(lending: key)
    guard let place = find(probe), let members else { return }
    let old = members[place]
    members[place] = Member(key: Value(.removed), value: .null)
    count -= 1
    if place + 1 == used, index == nil { used -= 1 }
    old.key.release()
    old.value.release()
  }

  private mutating func makeRoom() {
    if let members, Int(count) <= Int(used) / 2 {
      // Half of the places are of removed members.
      var kept = 0
      for place in 0..<Int(used) where members[place].key.tag != .removed {
        members[kept] = members[place]
        kept += 1
      }
      used = UInt32(kept)
      index?.free()
      index = nil
      return
    }
    let wanted = max(2 * capacity, 2)
    let stride = MemoryLayout<Member>.stride
    members = NodePool.resize(members, from: Int(capacity) * stride, to: Int(wanted) * stride)
      .assumingMemoryBound(to: Member.self)
    capacity = wanted
  }

  func copy() -> Value {
    guard let members else { return .object(nil, count: 0) }
    for place in 0..<Int(used) {
      members[place].key.retain()
      members[place].value.retain()
    }
    let copy = Value.object(members, count: Int(used))
    copy.block.assumingMemoryBound(to: ObjectBlock.self).pointee.count = count
    return copy
  }

  /// Frees the block; the members' holds pass to `body`.
  static func consume(_ block: UnsafeMutableRawPointer, _ body: (Member) -> Void) {
    let object = block.assumingMemoryBound(to: ObjectBlock.self)
    if let members = object.pointee.members {
      for place in 0..<Int(object.pointee.used) where members[place].key.tag != .removed { body(members[place]) }
      NodePool.give(members, Int(object.pointee.capacity) * MemoryLayout<Member>.stride)
    }
    object.pointee.index?.free()
    NodePool.give(block, MemoryLayout<ObjectBlock>.size)
  }

  static func free(_ block: UnsafeMutableRawPointer) {
    let object = block.assumingMemoryBound(to: ObjectBlock.self)
    if let members = object.pointee.members {
      for place in 0..<Int(object.pointee.used) {
        members[place].key.release()
        members[place].value.release()
      }
      NodePool.give(members, Int(object.pointee.capacity) * MemoryLayout<Member>.stride)
    }
    object.pointee.index?.free()
    NodePool.give(block, MemoryLayout<ObjectBlock>.size)
  }
}

/// Finds keys by their hashes, which nobody outside can foresee: many distinct keys cost no more each than few.
struct KeyIndex {
  /// For each hash the place of its key and 1, or 0; before them how many there are, less 1.
  private var table: UnsafeMutablePointer<UInt32>

  /// - Parameter count: of members; of equal keys the first is found.
  init(_ members: UnsafePointer<Member>, count: Int) {
    table = Self.make(for: count)
    for place in 0..<count where members[place].key.tag != .removed { _ = add(place, in: members) }
  }

  /// An index of no keys that has room for so many.
  init(capacity: Int) { table = Self.make(for: capacity) }

  private static func make(for count: Int) -> UnsafeMutablePointer<UInt32> {
    var size = 32
    while size < count + count / 2 { size *= 2 }
    guard let memory = calloc(size + 1, MemoryLayout<UInt32>.size) else { fatalError("out of memory for an index") }
    let table = memory.assumingMemoryBound(to: UInt32.self)
    table[0] = UInt32(size - 1)
    return table
  }

  private static func hash(_ key: Value) -> UInt32 {
    var hasher = Hasher()
    if key.tag == .short {
      hasher.combine(key.word)
      hasher.combine(key.meta)
    } else {
      key.withText { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
    return UInt32(truncatingIfNeeded: hasher.finalize())
  }

  func find(_ key: Value, in members: UnsafePointer<Member>) -> Int? {
    let mask = table[0]
    var at = Self.hash(key) & mask
    while table[Int(at) + 1] != 0 {
      let place = Int(table[Int(at) + 1]) - 1
      if members[place].key.isSameKey(as: key) { return place }
      at = (at + 1) & mask
    }
    return nil
  }

  /// Adds the key of a place; where there is one like it, returns that one's place.
  func add(_ place: Int, in members: UnsafePointer<Member>) -> Int? {
    let mask = table[0]
    let key = members[place].key
    var at = Self.hash(key) & mask
    while table[Int(at) + 1] != 0 {
      let known = Int(table[Int(at) + 1]) - 1
      if members[known].key.isSameKey(as: key) { return known }
      at = (at + 1) & mask
    }
    table[Int(at) + 1] = UInt32(place) + 1
    return nil
  }

  /// Adds a new key, the last of so many.
  mutating func insert(_ place: Int, in members: UnsafePointer<Member>, count: Int) {
    guard count + count / 4 > Int(table[0]) else {
      _ = add(place, in: members)
      return
    }
    free()
    self = KeyIndex(members, count: 2 * count, of: count)
  }

  private init(_ members: UnsafePointer<Member>, count room: Int, of count: Int) {
    self.init(capacity: room)
    for place in 0..<count where members[place].key.tag != .removed { _ = add(place, in: members) }
  }

  func free() { Glibc.free(table) }
}
