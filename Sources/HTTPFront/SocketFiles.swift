// SPDX-License-Identifier: MIT
import Glibc
import Logs
import NIOCore
import Records

/// The files of the sockets that the server listens at.
extension Server {
  /// Looks from time to time whether they are still there, and listens anew where one was removed: a logout removes
  /// them, and so do sweepers of old files. Nobody could connect any more.
  func watchSocketFiles() {
    let paths = settings.listen.enumerated().compactMap { index, address -> (Int, String)? in
      if case .unix(let path) = address { (index, path) } else { nil }
    }
    if !paths.isEmpty { lookAtSocketFiles(paths) }
  }

  private func lookAtSocketFiles(_ paths: [(index: Int, path: String)]) {
    loop.assumeIsolated().scheduleTask(in: .seconds(FrontLimits.socketLook)) { [self] in
      guard !isStopping else { return }
      for (index, path) in paths where access(path, F_OK) != 0 && errno == ENOENT { listenAgain(index, path) }
      lookAtSocketFiles(paths)
    }
  }

  private func listenAgain(_ index: Int, _ path: String) {
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { mkdir(String(path[..<slash]), 0o700) }
    // The old one is closed first: NIO removes the file of a socket that it closes, even one that another server made.
    listeners[index].close().assumeIsolated().whenComplete { [self] _ in bindAgain(index, path) }
  }

  private func bindAgain(_ index: Int, _ path: String) {
    guard !isStopping else { return }
    // Its lock may still be there, and would keep us out.
    for socket in sockets where socket.path == path { socket.remove() }
    sockets.removeAll { $0.path == path }
    bind(settings.listen[index], NIOLoopBound(front, eventLoop: loop)).assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success(let channel):
        guard !isStopping else { return channel.close(promise: nil) }
        listeners[index] = channel
        front.log.write(.warning, "the socket's file was removed: listening again", ["path": path])
      case .failure(let error):
        front.log.write(.error, "the socket's file was removed, and can't be made again: \(error)", ["path": path])
      }
    }
  }
}
