// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Logs
import NIOCore
import NIOHTTP1
import NIOPosix
import Records

/// The program: ways in, the pipeline, and the way out.
package final class Server {
  private let settings: FrontSettings
  private let log: Log
  private let loop: any EventLoop
  private let front: Front
  private var listeners: [any Channel] = []
  private var isStopping = false

  /// Serves until told to end, or until the one connection has ended; then the process exits.
  ///
  /// All of it happens in this thread: there is no other.
  ///
  /// - Throws: ``Failure`` where it can't begin.
  package static func run(_ settings: FrontSettings, log: Log) throws(Failure) -> Never {
    if settings.listen.isEmpty, settings.pipeline == nil {
      throw Failure(.usage, "give --listen, --pipeline or both: standard input can't be the client and the pipeline")
    }
    StandardDescriptors.protectErrors()
    let signals = try Signals.open()
    clinux_raise_descriptor_limit()
    MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { loop in
      let server = Server(settings, log, loop)
      Signals.watch(signals, on: loop) { server.take(signal: $0) }
      do throws(Failure) {
        try server.front.readTokens()
        try server.front.supervisor.start()
      } catch {
        server.fail(error)
      }
      server.begin()
    }
    throw Failure(.bug, "the event loop ended")
  }

  private init(_ settings: FrontSettings, _ log: Log, _ loop: any EventLoop) {
    self.settings = settings
    self.log = log
    self.loop = loop
    front = Front(settings, loop: loop, log: log)
    front.onIdle = { [unowned self] in if isStopping { endPipeline() } }
    front.supervisor.onGone = { exit(0) }
    front.supervisor.onInputEnd = { [unowned self] in stop() }
  }

  // MARK: The ways in

  private func begin() {
    let front = NIOLoopBound(self.front, eventLoop: loop)
    guard !settings.listen.isEmpty else {
      StandardDescriptors.connect(on: loop) { channel, isPipe in
        let address = channel.localAddress?.ipAddress.flatMap(IPAddress.init)
        return Self.connect(channel, to: front.value, isPipe: isPipe, isLocal: address?.isLoopback ?? false)
      }
      .assumeIsolated().whenComplete { [self] result in
        switch result {
        case .success(let channel):
          channel.closeFuture.assumeIsolated().whenComplete { [self] _ in stop() }
        case .failure(let error):
          log.write(.error, "standard input and output can't be used as a connection: \(error)")
          stop()
        }
      }
      return
    }
    let bound = settings.listen.map { bind($0, front) }
    EventLoopFuture.whenAllSucceed(bound, on: loop).assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success(let channels):
        listeners = channels
        notify()
      case .failure(let error): fail(Failure(.unavailable, "can't listen: \(error)"))
      }
    }
  }

  private func bind(_ address: ListenAddress, _ front: NIOLoopBound<Front>) -> EventLoopFuture<any Channel> {
    let isLocal = address.isLoopback
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.backlog, value: 1_024)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { Self.connect($0, to: front.value, isPipe: false, isLocal: isLocal) }
    switch address {
    case .ip(let host, let port):
      return
        bootstrap
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .bind(host: host, port: port)
    case .unix(let path):
      return bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true)
    }
  }

  /// Says where it listens: to the log, and to who waits for it.
  private func notify() {
    var text = ""
    for listener in listeners {
      let address = listener.localAddress
      let place = address?.port.map(String.init) ?? address?.pathname ?? ""
      text += place + "\n"
      log.write(.info, "listening", fields: [("address", .text(address?.ipAddress ?? "unix")), ("port", .text(place))])
    }
    guard let descriptor = settings.notifyDescriptor else { return }
    text.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  private func fail(_ failure: Failure) {
    log.write(.error, failure.message)
    front.supervisor.destroy()
    exit(failure.kind.rawValue)
  }

  private static func connect(
    _ channel: any Channel, to front: Front, isPipe: Bool, isLocal: Bool
  ) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let peer = channel.remoteAddress?.ipAddress ?? (isPipe ? "pipe" : "unix")
      let address = front.address(counted: peer)
      guard front.enter(address) else { throw Refused() }
      let pipeline = channel.pipeline.syncOperations
      let connection = Connection(front: front, peer: peer, address: address, isPipe: isPipe, isLocal: isLocal)
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderListSize = front.settings.maxHeader
      limits.maxHeaderFieldSize = front.settings.maxHeader
      // Protocol errors and header values are ours to answer and to check: see Connection and AnswerStart.
      try pipeline.configureHTTPServerPipeline(
        withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: false,
        withEncoderConfiguration: .init(),
        withDecoderLimitConfiguration: limits)
      try pipeline.addHandler(Arrivals(connection), position: .first)
      try pipeline.addHandler(connection)
    }
  }

  /// There is no room: the connection is closed.
  private struct Refused: Error {}

  // MARK: The way out

  private func take(signal: Int32) {
    switch signal {
    case SIGCHLD: front.supervisor.childEnded()
    case SIGHUP where !settings.listen.isEmpty:
      do throws(Failure) {
        try front.readTokens()
      } catch {
        log.write(.error, "the tokens stay as they are: \(error.message)")
      }
      front.supervisor.replace()
    default:
      guard isStopping else { return stop() }
      front.supervisor.destroy()
      exit(0)
    }
  }

  /// Takes no more clients, lets the answers under way end within the grace period, and ends the pipeline.
  private func stop() {
    guard !isStopping else { return }
    isStopping = true
    for listener in listeners { listener.close(promise: nil) }
    front.quiesce()
    if front.isIdle { return endPipeline() }
    loop.assumeIsolated().scheduleTask(in: settings.grace) { [self] in
      front.cancelAll()
      endPipeline()
    }
  }

  private func endPipeline() { front.supervisor.stop() }
}
