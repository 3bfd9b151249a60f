// SPDX-License-Identifier: MIT
import Glibc
import NIOCore
import Records

/// Looks whether a server could be started, without starting one.
package enum Inspection {
  /// - Throws: ``Failure`` that names all that stands in the way.
  package static func run(_ settings: FrontSettings) throws(Failure) {
    var problems: [Failure] = []
    func note(_ step: () throws(Failure) -> Void) {
      do throws(Failure) { try step() } catch { problems.append(error) }
    }
    note { () throws(Failure) in _ = try settings.allTokens() }
    for words in settings.pipeline ?? [] {
      note { () throws(Failure) in _ = try Stage.find(words[0], in: settings.environment) }
    }
    note { () throws(Failure) in try Server.checkReach(of: settings.listen, settings) }
    for address in settings.listen { note { () throws(Failure) in try checkFree(address) } }
    guard let first = problems.first else { return }
    throw Failure(first.kind, problems.map(\.message).joined(separator: "; "))
  }

  /// - Throws: ``Failure`` of kind `unavailable` where nobody could listen there now.
  private static func checkFree(_ address: ListenAddress) throws(Failure) {
    func fail(_ number: Int32) -> Failure {
      Failure(.unavailable, "can't listen at \(address.text): \(String(cString: strerror(number)))", errno: number)
    }
    guard case .ip(let host, let port) = address else {
      if case .unix(let path) = address { try UnixSocket.check(path) }
      return
    }
    let target: SocketAddress
    do {
      target = try SocketAddress(ipAddress: host, port: port)
    } catch {
      throw Failure(.usage, "\(address.text): \(error)")
    }
    let family = target.protocol.rawValue
    let socket = Glibc.socket(Int32(family), Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { throw fail(errno) }
    defer { close(socket) }
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    // Not made to listen, it takes nobody's client.
    guard target.withSockAddr({ bind(socket, $0, socklen_t($1)) }) == 0 else { throw fail(errno) }
  }
}
