// SPDX-License-Identifier: MIT
import CLinux
import Jansson
import JSONText
import Records

/// What the programs ask of their allocator.
package enum Memory {
  /// Has large pieces, such as whole bodies, go back to the system when they are done with.
  package static func returnWhatIsLarge() { clinux_return_large_memory() }

  /// It keeps memory for the next large tree.
  static var keepsMuch: Bool { NodePool.keepsMuch }

  /// Gives back what is kept for the next large tree, and what the allocator keeps.
  static func giveBack() {
    NodePool.giveBack()
    clinux_give_back_memory()
  }

  /// Releases the code that only the start needed.
  static func releaseCode() { clinux_release_code() }

  /// Tells the system that the content of some bytes is no longer needed.
  static func forget(_ bytes: ByteSlice) {
    guard let start = bytes.baseAddress else { return }
    clinux_forget(UnsafeMutablePointer(mutating: start), bytes.count)
  }
}
