// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import NIOCore
import NIOPosix
import Records

/// Our own standard input and output, in the place of a socket or a pipeline.
enum StandardDescriptors {
  /// Takes both, and leaves /dev/null in their place: when the copies are closed, the other side sees the end.
  static func take() -> (input: Int32, output: Int32) {
    let input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
    let output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    dup2(null, STDIN_FILENO)
    dup2(null, STDOUT_FILENO)
    close(null)
    return (input, output)
  }

  /// Takes a listening standard input; where standard output is the same, /dev/null takes its place too.
  static func takeInput() -> Int32 {
    let outputIsSame = areSocket
    let input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    dup2(null, STDIN_FILENO)
    if outputIsSame { dup2(null, STDOUT_FILENO) }
    close(null)
    return input
  }

  /// Keeps log lines out of what a client reads: under inetd standard error is the client's connection too.
  ///
  /// - Parameter answers: A descriptor that has answers or records. Where standard output has none, it may well be the
  ///   same as standard error: systemd connects both with the journal.
  static func protectErrors(from answers: Int32) {
    var (client, errors) = (stat(), stat())
    guard fstat(STDERR_FILENO, &errors) == 0, [S_IFSOCK, S_IFIFO].contains(errors.st_mode & S_IFMT),
      fstat(answers, &client) == 0, client.st_dev == errors.st_dev, client.st_ino == errors.st_ino
    else { return }
    let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
    dup2(null, STDERR_FILENO)
    close(null)
  }

  /// True when input and output are one socket.
  static var areSocket: Bool {
    var (input, output) = (stat(), stat())
    return fstat(STDIN_FILENO, &input) == 0 && fstat(STDOUT_FILENO, &output) == 0
      && input.st_mode & S_IFMT == S_IFSOCK && input.st_dev == output.st_dev && input.st_ino == output.st_ino
  }

  /// Makes a channel of them; the initializer is told whether they are pipes.
  static func connect(
    on loop: any EventLoop, initializer: @escaping @Sendable (any Channel, _ isPipe: Bool) -> EventLoopFuture<Void>
  ) -> EventLoopFuture<any Channel> {
    let isSocket = areSocket
    let (input, output) = take()
    if isSocket {
      close(output)
      return ClientBootstrap(group: loop)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .channelInitializer { initializer($0, false) }
        .withConnectedSocket(input)
    }
    return NIOPipeBootstrap(group: loop)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { initializer($0, true) }
      .takingOwnershipOfDescriptors(input: input, output: output)
  }
}
