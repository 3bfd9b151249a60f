// SPDX-License-Identifier: MIT
import ArgumentParser
import Logs
import Reactor
import Records

/// A program that is a backend: its main parses options and makes the backend, all else stands here.
package protocol BackendCommand: StageCommand {
  /// The API of requests that name none; nil for a backend that serves all alike.
  var dialect: Dialect? { get }
  /// Makes the backend with the port that it writes to, its loop, and its log.
  func backend(port: Port, reactor: Reactor, log: Log) throws(Failure) -> any Backend
}

extension BackendCommand {
  package static var isBackend: Bool { true }

  package func append(to chain: Chain, log: Log) throws(Failure) {
    let port = Port()
    let reactor = Reactor()
    chain.append(
      try backend(port: port, reactor: reactor, log: log), port: port, reactor: reactor, of: self, log: log,
      defaultContext: common.defaultContext(dialect: dialect))
  }
}
