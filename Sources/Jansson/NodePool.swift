// SPDX-License-Identifier: MIT
import Glibc

/// Memory for the small blocks of trees, in slabs of one size of block each.
///
/// A request of 200 KB makes and frees some thousand blocks, a third of the time in the system's allocator, which
/// joins and splits what it gets back. Here a block is one step on a list. A slab whose blocks are all free holds
/// nothing, and goes back to the system: at once where many are free, else when ``giveBack()`` is called.
///
/// For programs of one thread only. Without ``install()`` all blocks come from the system's allocator.
package enum NodePool {
  /// Sizes are rounded up to multiples of this, in bytes.
  private static let step = 8
  /// Larger blocks than this come from the system's allocator, in bytes.
  private static let largest = 512
  /// The size of a slab, and what its address is a multiple of, in bytes.
  private static let slabSize = 64 << 10
  /// How many slabs are asked of the system at once.
  private static let slabsAtOnce = 16
  /// How many empty slabs stay for the next large tree, and how many stay for good.
  private static let keptSlabs = 64
  private static let ownSlabs = 16

  /// What stands at the beginning of a slab.
  private struct Slab {
    /// Blocks that were given back; each holds the address of the next.
    var free: UnsafeMutableRawPointer?
    /// Where the blocks begin that were never used, in bytes from the start.
    var fresh: Int
    var used = 0
    /// The size of its blocks in bytes.
    let size: Int
    /// It is on the list of its size.
    var isListed = false
    var next: UnsafeMutablePointer<Slab>?
    var previous: UnsafeMutablePointer<Slab>?

    init(size: Int) {
      self.size = size
      fresh = (MemoryLayout<Slab>.size + 15) & ~15
    }
  }

  private struct State {
    /// For each size the slabs that have room, the one in use first.
    var slabs: UnsafeMutablePointer<UnsafeMutablePointer<Slab>?>
    /// Empty slabs, to be used again.
    var empty: UnsafeMutableRawPointer?
    var emptyCount = 0
    /// Slabs of the last piece from the system that were never used.
    var fresh: UnsafeMutableRawPointer?
    var freshCount = 0
    var isOn = false
  }

  // Behind a pointer, where no access is checked to be the only one.
  private nonisolated(unsafe) static let state: UnsafeMutablePointer<State> = {
    let sizes = NodePool.largest / NodePool.step + 1
    let slabs = UnsafeMutablePointer<UnsafeMutablePointer<Slab>?>.allocate(capacity: sizes)
    slabs.initialize(repeating: nil, count: sizes)
    let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    state.initialize(to: State(slabs: slabs))
    return state
  }()

  /// Puts it in use; to be called before the first tree is made.
  package static func install() { state.pointee.isOn = true }

  // MARK: Blocks

  static func take(_ size: Int) -> UnsafeMutableRawPointer {
    let state = state
    guard size <= largest, state.pointee.isOn else {
      guard let block = malloc(size) else { fatalError("out of memory for \(size) bytes") }
      return block
    }
    let index = (size + step - 1) / step
    guard let slab = state.pointee.slabs[index] ?? newSlab(index) else { fatalError("out of memory for a slab") }
    slab.pointee.used += 1
    if let block = slab.pointee.free {
      slab.pointee.free = block.load(as: UnsafeMutableRawPointer?.self)
      if slab.pointee.free == nil, slab.pointee.fresh + slab.pointee.size > slabSize { unlist(slab, index) }
      return block
    }
    let block = UnsafeMutableRawPointer(slab) + slab.pointee.fresh
    slab.pointee.fresh += slab.pointee.size
    if slab.pointee.fresh + slab.pointee.size > slabSize { unlist(slab, index) }
    return block
  }

  /// - Parameter size: what it was taken with.
  static func give(_ block: UnsafeMutableRawPointer, _ size: Int) {
    guard size <= largest, state.pointee.isOn else { return free(block) }
    let index = (size + step - 1) / step
    let slab = UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: block) & ~UInt(slabSize - 1)).unsafelyUnwrapped
      .assumingMemoryBound(to: Slab.self)
    block.storeBytes(of: slab.pointee.free, as: UnsafeMutableRawPointer?.self)
    slab.pointee.free = block
    slab.pointee.used -= 1
    if !slab.pointee.isListed { list(slab, index) }
    // The last one of a size stays, or each small tree would begin it anew.
    if slab.pointee.used == 0, slab.pointee.next != nil || slab.pointee.previous != nil { retire(slab, index) }
  }

  /// Makes a block larger, where there is one, or takes one.
  static func resize(_ block: UnsafeMutableRawPointer?, from old: Int, to size: Int) -> UnsafeMutableRawPointer {
    guard let block else { return take(size) }
    if old > largest || !state.pointee.isOn {
      guard let moved = realloc(block, size) else { fatalError("out of memory for \(size) bytes") }
      return moved
    }
    let moved = take(size)
    moved.copyMemory(from: block, byteCount: min(old, size))
    give(block, old)
    return moved
  }

  // MARK: Slabs

  private static func list(_ slab: UnsafeMutablePointer<Slab>, _ index: Int) {
    let first = state.pointee.slabs[index]
    slab.pointee.isListed = true
    slab.pointee.previous = nil
    slab.pointee.next = first
    first?.pointee.previous = slab
    state.pointee.slabs[index] = slab
  }

  private static func unlist(_ slab: UnsafeMutablePointer<Slab>, _ index: Int) {
    let (previous, next) = (slab.pointee.previous, slab.pointee.next)
    if let previous { previous.pointee.next = next } else { state.pointee.slabs[index] = next }
    next?.pointee.previous = previous
    slab.pointee.isListed = false
    slab.pointee.next = nil
    slab.pointee.previous = nil
  }

  /// Begins a slab of blocks of that size.
  private static func newSlab(_ index: Int) -> UnsafeMutablePointer<Slab>? {
    let state = state
    let memory: UnsafeMutableRawPointer
    if let empty = state.pointee.empty {
      memory = empty
      state.pointee.empty = empty.load(as: UnsafeMutableRawPointer?.self)
      state.pointee.emptyCount -= 1
    } else {
      if state.pointee.freshCount == 0 { reserveSlabs() }
      guard let fresh = state.pointee.fresh else { return nil }
      memory = fresh
      state.pointee.freshCount -= 1
      state.pointee.fresh = state.pointee.freshCount > 0 ? fresh + slabSize : nil
    }
    let slab = memory.bindMemory(to: Slab.self, capacity: 1)
    slab.initialize(to: Slab(size: index * step))
    list(slab, index)
    return slab
  }

  /// Asks the system for some slabs: addresses, and memory as far as they are used.
  private static func reserveSlabs() {
    let wanted = slabsAtOnce * slabSize
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let memory = mmap(nil, wanted + slabSize, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
      return
    }
    let before = (slabSize - Int(bitPattern: memory) & (slabSize - 1)) & (slabSize - 1)
    if before > 0 { munmap(memory, before) }
    munmap(memory + before + wanted, slabSize - before)
    state.pointee.fresh = memory + before
    state.pointee.freshCount = slabsAtOnce
  }

  /// Puts an empty slab aside, or gives it back.
  private static func retire(_ slab: UnsafeMutablePointer<Slab>, _ index: Int) {
    unlist(slab, index)
    guard state.pointee.emptyCount < keptSlabs else {
      munmap(slab, slabSize)
      return
    }
    UnsafeMutableRawPointer(slab).storeBytes(of: state.pointee.empty, as: UnsafeMutableRawPointer?.self)
    state.pointee.empty = UnsafeMutableRawPointer(slab)
    state.pointee.emptyCount += 1
  }

  /// It keeps empty slabs for the next large tree.
  package static var keepsMuch: Bool { state.pointee.emptyCount > ownSlabs }

  /// Gives back the empty slabs that it keeps.
  package static func giveBack() {
    while state.pointee.emptyCount > ownSlabs, let empty = state.pointee.empty {
      state.pointee.empty = empty.load(as: UnsafeMutableRawPointer?.self)
      state.pointee.emptyCount -= 1
      munmap(empty, slabSize)
    }
  }
}
