// SPDX-License-Identifier: MIT
import CLinux

/// What the programs ask of their allocator.
package enum Memory {
  /// Has large pieces, such as whole bodies, go back to the system when they are done with.
  package static func returnWhatIsLarge() { clinux_return_large_memory() }
}
