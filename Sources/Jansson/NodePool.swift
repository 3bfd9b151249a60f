// SPDX-License-Identifier: MIT
import CJansson
import Glibc

/// Memory for Jansson's nodes, kept in lists by size.
///
/// A request of 200 KB makes and frees some thousand small nodes, a third of the time in the system's allocator, which
/// joins and splits what it gets back; here a node is one step on a list. What was once used for nodes is used for
/// nodes again and not given back: as much as the largest request's tree took.
///
/// For programs of one thread only.
package enum NodePool {
  /// Sizes are rounded up to multiples of this, in bytes; also what stands before each block, to say its size.
  private static let step = 16
  /// Blocks of more steps than this come from the system.
  private static let steps = 32
  /// How much is asked of the system at once, in bytes.
  private static let slab = 64 << 10

  private struct State {
    /// The first free block of each size, which holds the address of the next.
    var free = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: NodePool.steps + 1)
    /// The rest of the slab at hand.
    var room: UnsafeMutableRawPointer?
    var left = 0
  }

  // Behind a pointer, where no access is checked to be the only one.
  private nonisolated(unsafe) static let state: UnsafeMutablePointer<State> = {
    let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    state.initialize(to: State())
    state.pointee.free.initialize(repeating: nil, count: steps + 1)
    return state
  }()

  /// Makes Jansson use it; to be called before the first value is made.
  package static func install() {
    json_set_alloc_funcs({ NodePool.take($0) }, { NodePool.give($0) })
  }

  private static func take(_ size: Int) -> UnsafeMutableRawPointer? {
    let count = max((size + step - 1) / step, 1)
    guard count <= steps else {
      let block = malloc(size + step)
      block?.storeBytes(of: 0, as: Int.self)
      return block.map { $0 + step }
    }
    let state = state
    if let block = state.pointee.free[count] {
      state.pointee.free[count] = block.load(as: UnsafeMutableRawPointer?.self)
      return block
    }
    let needed = (count + 1) * step
    if state.pointee.left < needed {
      guard let slab = malloc(slab) else { return nil }
      state.pointee.room = slab
      state.pointee.left = Self.slab
    }
    guard let block = state.pointee.room else { return nil }
    state.pointee.room = block + needed
    state.pointee.left -= needed
    block.storeBytes(of: count, as: Int.self)
    return block + step
  }

  private static func give(_ block: UnsafeMutableRawPointer?) {
    guard let block else { return }
    let count = (block - step).load(as: Int.self)
    guard count > 0 else { return free(block - step) }
    let state = state
    block.storeBytes(of: state.pointee.free[count], as: UnsafeMutableRawPointer?.self)
    state.pointee.free[count] = block
  }
}
