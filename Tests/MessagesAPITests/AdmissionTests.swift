// SPDX-License-Identifier: MIT
import MessagesAPI
import Testing

/// A server by its connections: what libcurl would do with the transfers that are let in.
private struct Server {
  /// Streams that a connection takes.
  let limit: Int
  var admission = Admission(mayShare: true)
  var connections: [Int] = []
  /// Transfers whose connections are being opened.
  var opening: [Int] = []

  init(limit: Int) { self.limit = limit }

  /// Starts all that may start now.
  mutating func admit() {
    while let number = admission.next() {
      if let index = connections.firstIndex(where: { $0 < limit }) {
        connections[index] += 1
        admission.stands(number)
      } else {
        opening.append(number)
      }
      admission.hasStarted(number)
    }
  }

  /// All connections that are being opened stand.
  mutating func connect() {
    let these = opening
    opening = []
    for number in these {
      connections.append(1)
      admission.stands(number)
    }
    admit()
  }
}

@Suite("admission")
struct AdmissionTests {
  @Test("as few connections as the server's limit asks for", arguments: [(1_000, 128, 8), (302, 128, 3), (5, 100, 1)])
  func shared(transfers: Int, limit: Int, connections: Int) {
    var server = Server(limit: limit)
    for number in 0..<transfers { server.admission.add(number) }
    server.admit()
    while !server.opening.isEmpty {
      #expect(server.opening.count == 1)
      server.connect()
    }
    #expect(server.connections.count == connections && server.connections.reduce(0, +) == transfers)
  }

  @Test("where connections aren't shared, only the first is waited for")
  func notShared() {
    var server = Server(limit: 1)
    for number in 0..<100 { server.admission.add(number) }
    server.admit()
    #expect(server.opening == [0])
    server.connect()
    #expect(server.opening == Array(1..<100) && !server.admission.isHeld)
    server.admission.heard(isShared: true)
    #expect(server.admission.isHeld)
  }

  @Test("nothing waits in clear text")
  func clearText() {
    var admission = Admission(mayShare: false)
    for number in 0..<10 { admission.add(number) }
    #expect((0..<10).map { _ in admission.next() } == Array(0..<10) && admission.next() == nil)
  }

  @Test("where a connection fails, nobody waits for the next one")
  func failure() {
    var server = Server(limit: 100)
    for number in 0..<10 { server.admission.add(number) }
    server.admit()
    server.admission.ended(0, isFailure: true)
    server.admit()
    #expect(server.opening == Array(0..<10))
  }

  @Test("a client that goes lets the next one start")
  func cancelled() {
    var server = Server(limit: 100)
    for number in 0..<10 { server.admission.add(number) }
    server.admit()
    server.admission.ended(0, isFailure: false)
    server.admit()
    #expect(server.opening == [0, 1] && server.admission.isHeld)
  }
}
