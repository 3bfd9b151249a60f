// SPDX-License-Identifier: MIT
import Addresses
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
  /// Those that it was started with; what is in force is the front's.
  let settings: FrontSettings
  private let manager = ServiceManager.ofEnvironment()
  private var reloader: Reloader!
  let loop: any EventLoop
  let front: Front
  /// Sockets that whoever started us has made.
  private let passed: [PassedSocket]
  var listeners: [any Channel] = []
  /// Those of them that are at a path.
  var sockets: [UnixSocket] = []
  private(set) var isStopping = false
  /// It takes no more clients.
  private var isClosed = false
  /// A signal has told it to end.
  private var wasTold = false
  /// The end, if nobody comes before it.
  private var leaving: Scheduled<Void>?

  /// Serves until told to end, or until the one connection has ended; then the process exits.
  ///
  /// All of it happens in this thread: there is no other.
  ///
  /// - Throws: ``Failure`` where it can't begin.
  package static func run(_ settings: FrontSettings, parse: @escaping FrontSettings.Parse) throws(Failure) -> Never {
    // A socket that listens, or the client's.
    if settings.listen.isEmpty { StandardDescriptors.protectErrors(from: STDIN_FILENO) }
    let passed = try PassedSocket.takeAll()
    let addresses = settings.listen + passed.map(\.address)
    if addresses.isEmpty || settings.pipeline == nil { StandardDescriptors.protectErrors(from: STDOUT_FILENO) }
    if addresses.isEmpty || passed.contains(where: \.isStandardInput), settings.pipeline == nil {
      throw Failure(.usage, "give --listen, --pipeline or both: standard input can't be the client and the pipeline")
    }
    try checkReach(of: addresses.isEmpty ? ownAddress.map { [$0] } ?? [] : addresses, settings)
    let signals = try Signals.open()
    clinux_raise_descriptor_limit()
    MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { loop in
      let server = Server(settings, passed, loop, parse)
      Signals.watch(signals, on: loop) { server.take(signal: $0) }
      do throws(Failure) {
        server.front.apply(settings, tokens: try settings.allTokens())
        server.front.supervisor.watchesStart = server.isListening
        try server.front.supervisor.start()
      } catch {
        server.fail(error)
      }
      server.begin()
    }
    throw Failure(.bug, "the event loop ended")
  }

  private init(
    _ settings: FrontSettings, _ passed: [PassedSocket], _ loop: any EventLoop, _ parse: @escaping FrontSettings.Parse
  ) {
    self.settings = settings
    self.passed = passed
    self.loop = loop
    front = Front(settings, loop: loop)
    let addresses = settings.listen + passed.map(\.address)
    reloader = Reloader(
      front, parse: parse, reach: { (new) throws(Failure) in try Self.checkReach(of: addresses + new.listen, new) },
      manager: manager)
    do throws(Failure) {
      if let file = settings.counters { front.metrics = try Metrics(file: file) }
    } catch {
      // What can't be counted can still be answered.
      log.write(.warning, "the counters are this process's alone: \(error.message)")
    }
    front.onIdle = { [unowned self] in if isClosed { endPipeline() } else { leaveIfNobodyComes() } }
    front.supervisor.onGone = { [unowned self] in leave() }
    front.supervisor.onInputEnd = { [unowned self] in stop() }
  }

  /// Where the one connection came to that we are started for, if anybody knows.
  private static var ownAddress: ListenAddress? {
    if case .ip(let host, let port)? = ListenAddress(of: STDIN_FILENO) { return .ip(host: host, port: port) }
    return ToldConnection().local.map { .ip(host: $0, port: 0) }
  }

  static func checkReach(of addresses: [ListenAddress], _ settings: FrontSettings) throws(Failure) {
    guard let reason = settings.loopbackOnly else { return }
    guard settings.proxies.isEmpty else {
      throw Failure(.configuration, "--trusted-proxies: a proxy opens this server to other machines; \(reason)")
    }
    guard let open = addresses.first(where: \.isOpenToOthers) else { return }
    let place = if case .ip(let host, 0) = open { host } else { open.text }
    throw Failure(.configuration, "\(place) is open to other machines; \(reason)")
  }

  private var log: Log { front.log }

  // MARK: The ways in

  private var isListening: Bool { !settings.listen.isEmpty || !passed.isEmpty }

  private func begin() {
    let front = NIOLoopBound(self.front, eventLoop: loop)
    guard isListening else {
      StandardDescriptors.connect(on: loop) { channel, isPipe in
        let told = ToldConnection()
        let address = (channel.localAddress?.ipAddress ?? told.local).flatMap(IPAddress.init)
        return Self.connect(
          channel, to: front.value, isPipe: isPipe, isLocal: address?.isLoopback ?? false, toldPeer: told.peer)
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
    let bound = settings.listen.map { bind($0, front) } + passed.map { adopt($0.descriptor, $0.address, front) }
    EventLoopFuture.whenAllSucceed(bound, on: loop).assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success(let channels):
        listeners = channels
        self.front.limitToDescriptors()
        notify()
        watchSocketFiles()
        manager?.tell("READY=1", "STATUS=Serving")
        leaveIfNobodyComes()
        loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(Limits.startTime))) { clinux_release_code() }
      case .failure(let error): fail(error as? Failure ?? Failure(.unavailable, "can't listen: \(error)"))
      }
    }
  }

  func bind(_ address: ListenAddress, _ front: NIOLoopBound<Front>) -> EventLoopFuture<any Channel> {
    let bootstrap = bootstrap(address, front)
    switch address {
    case .ip(let host, let port):
      return bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1).bind(host: host, port: port)
    case .unix(let path):
      do throws(Failure) {
        let socket = try UnixSocket(path: path, mode: settings.socketMode)
        sockets.append(socket)
        return adopt(socket.descriptor, address, front)
      } catch {
        return loop.makeFailedFuture(error)
      }
    }
  }

  private func adopt(
    _ descriptor: Int32, _ address: ListenAddress, _ front: NIOLoopBound<Front>
  ) -> EventLoopFuture<any Channel> {
    bootstrap(address, front).withBoundSocket(descriptor).map { channel in
      // NIO has made its queue as short as its own default is.
      listen(descriptor, FrontLimits.backlog)
      return channel
    }
  }

  private func bootstrap(_ address: ListenAddress, _ front: NIOLoopBound<Front>) -> ServerBootstrap {
    let isLocal = address.isLoopback
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.backlog, value: FrontLimits.backlog)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptPause(front.value))
        }
      }
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { Self.connect($0, to: front.value, isPipe: false, isLocal: isLocal) }
    guard case .ip = address else { return bootstrap }
    return bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
  }

  /// Says where it listens: to the log, and to who waits for it.
  private func notify() {
    var text = ""
    func tell(_ address: String?, _ place: String, _ name: String? = nil) {
      front.places.append((address ?? "unix:" + place, address.flatMap { _ in Int(place) }))
      text += place + "\n"
      var fields: [(name: String, value: Log.Value)] = [("address", .text(address ?? "unix")), ("port", .text(place))]
      if let name { fields.append(("name", .text(name))) }
      log.write(.info, "listening", fields: fields)
    }
    for (asked, listener) in zip(settings.listen, listeners) {
      let address = listener.localAddress
      switch asked {
      case .ip: tell(address?.ipAddress, address?.port.map(String.init) ?? "")
      case .unix(let path): tell(nil, path)
      }
    }
    for socket in passed {
      switch socket.address {
      case .ip(let host, let port): tell(host, String(port), socket.name)
      case .unix(let path): tell(nil, path, socket.name)
      }
    }
    guard let descriptor = settings.notifyDescriptor else { return }
    text.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  private func fail(_ failure: Failure) {
    log.write(.error, failure.message)
    front.supervisor.destroy()
    for socket in sockets { socket.remove() }
    exit(failure.kind.rawValue)
  }

  static func connect(
    _ channel: any Channel, to front: Front, isPipe: Bool, isLocal: Bool, toldPeer: String? = nil
  ) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let peer = channel.remoteAddress?.ipAddress ?? toldPeer ?? (isPipe ? "pipe" : "unix")
      let address = front.client(counted: peer)
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
    case SIGCHLD:
      front.supervisor.childEnded()
      reloader.childEnded()
    case SIGHUP where isListening: if !isStopping { reloader.begin() }
    default:
      guard wasTold else {
        // Who ends because its client has gone may be told so too, by socat: that is no second time.
        wasTold = true
        return stop()
      }
      reloader.destroy()
      front.supervisor.destroy()
      leave()
    }
  }

  private func leave() -> Never {
    front.writeLog()
    for socket in sockets { socket.remove() }
    exit(0)
  }

  /// Takes no more clients, lets the answers under way end within the grace period, and ends the pipeline.
  private func stop() {
    guard !isStopping else { return }
    isStopping = true
    manager?.tell("STOPPING=1", "STATUS=Letting answers under way end")
    reloader.destroy()
    guard !listeners.isEmpty else { return closeDoor() }
    waitForEmptyQueues(until: .now() + .milliseconds(FrontLimits.lastCall))
  }

  /// Closes the door as soon as everybody is in whom the system has connected already: closing resets the others.
  private func waitForEmptyQueues(until: NIODeadline) {
    loop.assumeIsolated().scheduleTask(in: .milliseconds(FrontLimits.queueLook)) { [self] in
      var waiting = 0
      for listener in listeners {
        // Of a socket that listens, Linux tells here how many connections wait in its queue.
        (listener as? any SocketOptionProvider)?.getTCPInfo().assumeIsolated().whenSuccess {
          waiting += Int($0.tcpi_unacked)
        }
      }
      if waiting > 0, .now() < until { waitForEmptyQueues(until: until) } else { closeDoor() }
    }
  }

  private func closeDoor() {
    isClosed = true
    for socket in sockets { socket.remove() }
    for listener in listeners { listener.close(promise: nil) }
    front.quiesce()
    if front.isIdle { return endPipeline() }
    loop.assumeIsolated().scheduleTask(in: front.settings.grace) { [self] in
      front.cancelAll()
      endPipeline()
    }
  }

  /// Ends when no client was there for a while: whoever keeps the sockets starts us again for the next one, which
  /// waits in the socket's queue.
  private func leaveIfNobodyComes() {
    // A socket of our own would be gone.
    guard front.isIdle, !isStopping, settings.listen.isEmpty, !passed.isEmpty else { return }
    let own = passed.contains(where: \.isStandardInput) ? TimeAmount.seconds(FrontLimits.inetdStay) : nil
    guard let stay = front.settings.stay ?? own, stay > .zero else { return }
    leaving?.cancel()
    leaving = loop.assumeIsolated().scheduleTask(in: stay) { [self] in
      guard front.isIdle, !isStopping else { return }
      log.write(.info, "no client came")
      stop()
    }
  }

  private func endPipeline() { front.supervisor.stop() }
}
