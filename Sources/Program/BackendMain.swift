// SPDX-License-Identifier: MIT
import Logs
import Reactor
import Records

extension CommonOptions {
  /// Does what the main of every backend does: makes the backend, and serves until all is done.
  ///
  /// - Parameters:
  ///   - program: the name that the log lines bear.
  ///   - dialect: the API of requests that name none; nil for a backend that serves all alike.
  ///   - make: makes the backend with the port that it writes to, its loop, and its log.
  /// - Throws: the exit status, after the log line that says why.
  package func serve<B: Backend>(
    _ program: String, dialect: Dialect?, _ make: (Port, Reactor, Log) throws(Failure) -> B
  ) throws {
    let log = Log(program: program, level: logLevel)
    do throws(Failure) {
      let port = Port()
      let reactor = Reactor()
      try BackendRunner(
        try make(port, reactor, log), port: port, reactor: reactor, log: log,
        defaultContext: defaultContext(dialect: dialect), isStrict: strictInput
      ).serve()
    } catch {
      throw error.exit(log)
    }
  }
}
