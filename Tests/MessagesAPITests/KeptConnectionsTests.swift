// SPDX-License-Identifier: MIT
import Testing

@testable import MessagesAPI

@Suite("kept connections")
struct KeptConnectionsTests {
  private static let second: UInt64 = 1_000_000_000
  private static let pause = UInt64(HTTPLimits.surplusPause)

  @Test("after a surplus answer none are kept for a while, and each further one begins it anew")
  func surplus() {
    var connections = KeptConnections()
    #expect(connections.areKept(at: 0))
    let first = connections.noteSurplus(at: 5 * Self.second)
    #expect(!connections.areKept(at: (4 + Self.pause) * Self.second))
    let second = connections.noteSurplus(at: (4 + Self.pause) * Self.second)
    #expect(!connections.areKept(at: (3 + 2 * Self.pause) * Self.second))
    #expect(connections.areKept(at: (4 + 2 * Self.pause) * Self.second))
    let later = connections.noteSurplus(at: (5 + 2 * Self.pause) * Self.second)
    // Only the first one of a while is worth a line in the log.
    #expect(first && !second && later)
  }

  @Test("a connection from before is too old when connections are kept again")
  func longerThanIdle() { #expect(HTTPLimits.surplusPause > HTTPLimits.keptTime) }
}
