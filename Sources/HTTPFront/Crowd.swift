// SPDX-License-Identifier: MIT

/// How many are connected, in all and from each address.
package struct Crowd {
  private var most: Int
  private var mostFromOne: Int
  private(set) var count = 0
  private var byAddress: [String: Int] = [:]

  package init(most: Int, mostFromOne: Int) {
    self.most = most
    self.mostFromOne = mostFromOne
  }

  /// Sets other limits; who is in stays in.
  package mutating func limit(to most: Int, fromOne mostFromOne: Int) {
    self.most = most
    self.mostFromOne = mostFromOne
  }

  /// Takes one more in; false where there is no room.
  ///
  /// - Parameter address: nil for one that counts only in all.
  package mutating func enter(_ address: String?) -> Bool {
    guard count < most else { return false }
    if let address {
      let sofar = byAddress[address, default: 0]
      guard sofar < mostFromOne else { return false }
      byAddress[address] = sofar + 1
    }
    count += 1
    return true
  }

  package mutating func leave(_ address: String?) {
    count -= 1
    guard let address, let sofar = byAddress[address] else { return }
    byAddress[address] = sofar > 1 ? sofar - 1 : nil
  }

  /// The addresses that are remembered.
  package var addresses: Int { byAddress.count }
}
