// SPDX-License-Identifier: MIT

/// In what order transfers may start where connections may be shared, as by HTTP/2 over TLS.
///
/// libcurl (7.88 at least) opens a connection for each request that finds none with room, though the one that is just
/// being opened could take a hundred of them. So one transfer starts at a time, until it has its connection: one that
/// joins a connection has it at once, and while a new one is opened the others wait for that. Where connections turn
/// out to take one request each, nothing waits any more.
package struct Admission {
  /// So many transfers must have joined a connection before another one is needed; else connections aren't shared.
  private static let fewest = 4

  /// Whether transfers start one at a time.
  package private(set) var isHeld: Bool
  private var waiting: [Int] = []
  private var first = 0
  /// Started, and without a connection.
  private var starting: Int?
  /// Under way, each on a connection.
  private var standing: Set<Int> = []
  /// How many have joined a connection since one was opened.
  private var joined = 0

  /// - Parameter mayShare: a connection may turn out to take several requests.
  package init(mayShare: Bool) { isHeld = mayShare }

  /// Has a transfer wait for its turn.
  package mutating func add(_ number: Int) { waiting.append(number) }

  /// The transfer to start now; nil for none.
  package mutating func next() -> Int? {
    guard first < waiting.count, !isHeld || starting == nil else { return nil }
    let number = waiting[first]
    first += 1
    if first == waiting.count || first > 1_024 {
      waiting.removeFirst(first)
      first = 0
    }
    if isHeld { starting = number }
    return number
  }

  /// The transfer has been started; where it has no connection yet, one is being opened for it.
  package mutating func hasStarted(_ number: Int) {
    guard starting == number else { return }
    if !standing.isEmpty, joined < Self.fewest { isHeld = false }
    joined = 0
  }

  /// The transfer has its connection.
  package mutating func stands(_ number: Int) {
    standing.insert(number)
    guard starting == number else { return }
    starting = nil
    joined += 1
  }

  /// The transfer is over, or was given up before it started.
  ///
  /// - Parameter isFailure: it wasn't the client who ended it. If it had no connection, the others won't each wait as
  ///   long for the next one.
  package mutating func ended(_ number: Int, isFailure: Bool) {
    standing.remove(number)
    guard starting == number else { return }
    starting = nil
    if isFailure { isHeld = false }
  }

  /// An answer has told whether its connection is shared.
  package mutating func heard(isShared: Bool) { isHeld = isShared }
}
