// SPDX-License-Identifier: MIT

extension UInt64 {
  /// FNV-1a: the same in every process, which Swift's own hashes aren't.
  ///
  /// Not generic: another module would call the sequence's witnesses for each byte.
  package init(hashing bytes: UnsafeBufferPointer<UInt8>) {
    self = 0xCBF2_9CE4_8422_2325
    for byte in bytes { self = (self ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }
}
