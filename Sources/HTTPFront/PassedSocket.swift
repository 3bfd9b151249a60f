// SPDX-License-Identifier: MIT
import Glibc
import Records

/// A listening socket that whoever started us has made, and keeps when we end.
struct PassedSocket {
  /// Closed in the programs that we start.
  let descriptor: Int32
  let address: ListenAddress
  /// What systemd calls it, for the log.
  let name: String?
  /// Whether it came as standard input, by a `wait` line of inetd's table.
  let isStandardInput: Bool

  /// Takes all there are: systemd's, and an inetd's.
  ///
  /// - Throws: ``Failure`` of kind `configuration` where one is no socket to listen at.
  static func takeAll() throws(Failure) -> [PassedSocket] {
    var sockets = try takeFromEnvironment()
    if let socket = try takeStandardInput() { sockets.append(socket) }
    return sockets
  }

  /// Those of `LISTEN_FDS`, from descriptor 3 on; the variables leave our environment, and so that of the stages.
  ///
  /// - SeeAlso: <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>
  private static func takeFromEnvironment() throws(Failure) -> [PassedSocket] {
    func take(_ variable: String) -> String? {
      defer { unsetenv(variable) }
      return getenv(variable).map { String(cString: $0) }
    }
    let (pid, number, listed) = (take("LISTEN_PID"), take("LISTEN_FDS"), take("LISTEN_FDNAMES"))
    _ = take("LISTEN_PIDFDID")
    // What was meant for a program that started us is not ours.
    guard let pid, Int(pid) == Int(getpid()), let number else { return [] }
    guard let count = Int(number), (0...FrontLimits.maxPassed).contains(count) else {
      throw Failure(.configuration, "LISTEN_FDS is \(number); expected a number from 0 to \(FrontLimits.maxPassed)")
    }
    let names = listed.map { $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init) } ?? []
    var sockets: [PassedSocket] = []
    for index in 0..<count {
      let descriptor = Int32(3 + index)
      let name = names.count == count && !names[index].isEmpty ? names[index] : nil
      let label = "passed descriptor \(descriptor)" + (name.map { " (\($0))" } ?? "")
      let address = try listeningAddress(descriptor, label)
      guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
        throw Failure(.system, "\(label): \(String(cString: strerror(errno)))", errno: errno)
      }
      sockets.append(PassedSocket(descriptor: descriptor, address: address, name: name, isStandardInput: false))
    }
    return sockets
  }

  /// Standard input where it listens; a connection, a pipe and all else stay where they are.
  private static func takeStandardInput() throws(Failure) -> PassedSocket? {
    guard let type = option(SO_TYPE, of: STDIN_FILENO) else { return nil }
    if type == streamType, option(SO_ACCEPTCONN, of: STDIN_FILENO) == 0 { return nil }
    let address = try listeningAddress(STDIN_FILENO, "standard input")
    let descriptor = StandardDescriptors.takeInput()
    return PassedSocket(descriptor: descriptor, address: address, name: nil, isStandardInput: true)
  }

  private static func listeningAddress(_ descriptor: Int32, _ label: String) throws(Failure) -> ListenAddress {
    func wrong(_ what: String) -> Failure {
      Failure(.configuration, "\(label) is \(what); expected a listening stream socket")
    }
    guard fcntl(descriptor, F_GETFD) >= 0 else { throw wrong("not open") }
    guard let type = option(SO_TYPE, of: descriptor) else { throw wrong("no socket") }
    guard type == streamType else {
      throw wrong(type == datagramType ? "a datagram socket" : "a socket of kind \(type)")
    }
    guard option(SO_ACCEPTCONN, of: descriptor) == 1 else {
      var (peer, size) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
      let isConnected = withUnsafeMutableBytes(of: &peer) {
        getpeername(descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, &size) == 0
      }
      throw wrong(isConnected ? "a connection" : "a socket that doesn't listen")
    }
    guard let address = ListenAddress(of: descriptor) else { throw wrong("of a family that is none of ours") }
    return address
  }

  private static let streamType = Int32(SOCK_STREAM.rawValue)
  private static let datagramType = Int32(SOCK_DGRAM.rawValue)

  /// Nil for what is no socket.
  private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
    var (value, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
  }
}

extension ListenAddress {
  /// Where a socket is bound; nil for families other than IPv4, IPv6 and unix.
  init?(of descriptor: Int32) {
    var (storage, size) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
    let address: ListenAddress? = withUnsafeMutableBytes(of: &storage) { bytes in
      guard getsockname(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!, &size) == 0 else {
        return nil
      }
      // ip(7), ipv6(7): the port comes first, then the address, after what IPv6 calls the flow.
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      let port = Int(UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self)))
      let family = Int32(bytes.load(as: sa_family_t.self))
      switch family {
      case AF_INET, AF_INET6:
        inet_ntop(family, bytes.baseAddress! + (family == AF_INET ? 4 : 8), &text, socklen_t(text.count))
        return .ip(host: Self.string(text), port: port)
      case AF_UNIX:
        // unix(7): a path ends with NUL, an abstract name begins with it and ends with the address.
        let path = bytes[MemoryLayout<sa_family_t>.size..<min(Int(size), bytes.count)]
        guard path.first == 0 else { return .unix(path: String(decoding: path.prefix { $0 != 0 }, as: UTF8.self)) }
        return .unix(path: "@" + String(decoding: path.dropFirst(), as: UTF8.self))
      default: return nil
      }
    }
    guard let address else { return nil }
    self = address
  }

  private static func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
