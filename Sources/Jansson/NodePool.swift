// SPDX-License-Identifier: MIT
import CJansson
import Glibc

/// Memory for Jansson's nodes, in slabs whose blocks have one size each.
///
/// A request of 200 KB makes and frees some thousand small nodes, a third of the time in the system's allocator, which
/// joins and splits what it gets back; here a node is one step on a list. A slab whose blocks are all free serves any
/// size, and goes back to the system when ``giveBack()`` is called.
///
/// For programs of one thread only.
package enum NodePool {
  /// Sizes are rounded up to multiples of this, in bytes.
  private static let step = 16
  /// Larger blocks than this many steps come from the system.
  private static let steps = 32
  /// The size of a slab, and what its address is a multiple of, in bytes.
  private static let slabSize = 64 << 10
  /// How many slabs are asked of the system at once.
  private static let slabsAtOnce = 16
  /// Empty slabs that are kept all the same.
  private static let ownSlabs = 16
  /// Empty slabs that are kept for the next large request: 16 MB. More of them are of a tree that takes its time anyway,
  /// and the next stage needs the memory.
  private static let mostSlabs = 256
  /// Blocks begin here within a step. The system's blocks begin at its start, so an address tells whose a block is.
  private static let offset = 8

  /// What stands at the start of a slab.
  private struct Slab {
    /// The first block that was used and is free; it holds the address of the next.
    var free: UnsafeMutableRawPointer?
    /// Where the blocks begin that were never used.
    var unused: Int
    /// Blocks that are in use.
    var used: Int
    /// Steps in a block.
    var steps: Int
    /// The neighbours in the list of those slabs of one size that have a free block, or of the empty ones.
    var before: UnsafeMutablePointer<Slab>?
    var after: UnsafeMutablePointer<Slab>?

    var hasRoom: Bool { free != nil || unused + steps * NodePool.step <= NodePool.slabSize }
  }

  private static let firstBlock = (MemoryLayout<Slab>.size + step - 1) / step * step + offset

  private struct State {
    /// By the steps of a block: slabs with a free block. At 0: empty slabs.
    var slabs = UnsafeMutablePointer<UnsafeMutablePointer<Slab>?>.allocate(capacity: NodePool.steps + 1)
    var emptyCount = 0
  }

  // Behind a pointer, where no access is checked to be the only one.
  private nonisolated(unsafe) static let state: UnsafeMutablePointer<State> = {
    let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    state.initialize(to: State())
    state.pointee.slabs.initialize(repeating: nil, count: steps + 1)
    return state
  }()

  /// Makes Jansson use it; to be called before the first value is made.
  package static func install() {
    json_set_alloc_funcs({ NodePool.take($0) }, { NodePool.give($0) })
  }

  /// More empty slabs are kept than a small request needs.
  package static var keepsMuch: Bool { state.pointee.emptyCount > ownSlabs }

  /// Gives empty slabs back to the system.
  package static func giveBack() {
    let state = state
    while state.pointee.emptyCount > ownSlabs, let slab = state.pointee.slabs[0] {
      unlink(slab, from: 0)
      state.pointee.emptyCount -= 1
      munmap(slab, slabSize)
    }
  }

  private static func take(_ size: Int) -> UnsafeMutableRawPointer? {
    let count = max((size + step - 1) / step, 1)
    guard count <= steps else { return malloc(size) }
    guard let slab = state.pointee.slabs[count] ?? newSlab(of: count) else { return nil }
    slab.pointee.used += 1
    let block: UnsafeMutableRawPointer
    if let free = slab.pointee.free {
      block = free
      slab.pointee.free = free.load(as: UnsafeMutableRawPointer?.self)
    } else {
      block = UnsafeMutableRawPointer(slab) + slab.pointee.unused
      slab.pointee.unused += count * step
    }
    if !slab.pointee.hasRoom { unlink(slab, from: count) }
    return block
  }

  private static func give(_ block: UnsafeMutableRawPointer?) {
    guard let block else { return }
    let address = UInt(bitPattern: block)
    guard address & UInt(offset) != 0 else { return free(block) }
    let slab = UnsafeMutablePointer<Slab>(bitPattern: address & ~UInt(slabSize - 1))!
    let wasFull = !slab.pointee.hasRoom
    block.storeBytes(of: slab.pointee.free, as: UnsafeMutableRawPointer?.self)
    slab.pointee.free = block
    slab.pointee.used -= 1
    let count = slab.pointee.steps
    if wasFull { link(slab, into: count) }
    // The last one of its size stays: the next block is made there.
    guard slab.pointee.used == 0, slab.pointee.before != nil || slab.pointee.after != nil else { return }
    unlink(slab, from: count)
    guard state.pointee.emptyCount < mostSlabs else {
      munmap(slab, slabSize)
      return
    }
    link(slab, into: 0)
    state.pointee.emptyCount += 1
  }

  private static func newSlab(of count: Int) -> UnsafeMutablePointer<Slab>? {
    let state = state
    if state.pointee.slabs[0] == nil { askForSlabs() }
    guard let slab = state.pointee.slabs[0] else { return nil }
    unlink(slab, from: 0)
    state.pointee.emptyCount -= 1
    slab.initialize(to: Slab(free: nil, unused: firstBlock, used: 0, steps: count, before: nil, after: nil))
    link(slab, into: count)
    return slab
  }

  /// Asks the system for slabs: for one more than are used, as the addresses it gives are multiples of a page alone.
  private static func askForSlabs() {
    let length = (slabsAtOnce + 1) * slabSize
    guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      start != MAP_FAILED
    else { return }
    let address = UInt(bitPattern: start)
    let first = (address + UInt(slabSize - 1)) & ~UInt(slabSize - 1)
    let end = first + UInt(slabsAtOnce * slabSize)
    if first > address { munmap(start, Int(first - address)) }
    if address + UInt(length) > end {
      munmap(UnsafeMutableRawPointer(bitPattern: end), Int(address) + length - Int(end))
    }
    for index in (0..<slabsAtOnce).reversed() {
      let slab = UnsafeMutablePointer<Slab>(bitPattern: first + UInt(index * slabSize))!
      slab.initialize(to: Slab(free: nil, unused: 0, used: 0, steps: 0, before: nil, after: nil))
      link(slab, into: 0)
      state.pointee.emptyCount += 1
    }
  }

  private static func link(_ slab: UnsafeMutablePointer<Slab>, into list: Int) {
    let first = state.pointee.slabs[list]
    slab.pointee.before = nil
    slab.pointee.after = first
    first?.pointee.before = slab
    state.pointee.slabs[list] = slab
  }

  private static func unlink(_ slab: UnsafeMutablePointer<Slab>, from list: Int) {
    let (before, after) = (slab.pointee.before, slab.pointee.after)
    if let before { before.pointee.after = after } else { state.pointee.slabs[list] = after }
    after?.pointee.before = before
    (slab.pointee.before, slab.pointee.after) = (nil, nil)
  }
}
