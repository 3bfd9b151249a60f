// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// What a killed CLI leaves in its owner's configuration: the entry of a session that is no more.
///
/// `sessions/PID.json` names the process, where it runs and its socket; `sessions/PID.*.key` and
/// `.claude.json.tmp.PID.*` go with it. Only those of processes that ran in our own empty directory are touched.
struct SessionFiles {
  private let folder: String
  private let directory: String
  /// Where `.claude.json` lies.
  private let home: String

  /// - Parameter neutral: where our children run.
  init?(_ environment: [String: String], neutral: String) {
    let named = environment[Contract.configuration].flatMap { $0.isEmpty ? nil : $0 }
    guard let home = named ?? environment["HOME"], let real = realpath(neutral, nil) else { return nil }
    self.home = home
    folder = (named ?? "\(home)/.claude") + "/sessions"
    // The CLI tells the place without links.
    directory = String(cString: real)
    free(real)
  }

  /// Removes what a process left that has ended.
  func remove(_ pid: pid_t) {
    guard let entry = text(of: "\(folder)/\(pid).json") else { return }
    func member(_ name: StaticString) -> String? {
      entry.slice.isEmpty ? nil : Scan.plainString(Scan.member(name, of: entry.slice))?.text
    }
    guard member("cwd") == directory, Scan.member("pid", of: entry.slice)?.text == String(pid) else { return }
    // Else it is a number of another container.
    if let domain = member("pidDomain"), let ours = Self.domain, !domain.hasSuffix(ours) { return }
    let socket = member("messagingSocketPath")
    if let socket, socket.hasSuffix("/\(pid).sock"), socket.mentions("/cc-socks") { unlink(socket) }
    for name in RunDirectory.names(in: folder) where name.hasPrefix("\(pid).") && name.hasSuffix(".key") {
      unlink("\(folder)/\(name)")
    }
    // A new text of the configuration that never took the old one's place.
    for name in RunDirectory.names(in: home) where name.hasPrefix(".claude.json.tmp.\(pid).") {
      unlink("\(home)/\(name)")
    }
    unlink("\(folder)/\(pid).json")
  }

  /// Removes what processes left that are no more.
  func sweep() {
    for name in RunDirectory.names(in: folder) where name.hasSuffix(".json") {
      if let pid = pid_t(name.dropLast(5)), pid > 0, !isRunning(pid) { remove(pid) }
    }
  }

  /// Whether it runs in our directory: a zombie runs nowhere, and one that has taken the number elsewhere.
  private func isRunning(_ pid: pid_t) -> Bool {
    guard kill(pid, 0) == 0 || errno != ESRCH else { return false }
    guard let place = realpath("/proc/\(pid)/cwd", nil) else { return access("/proc/self", F_OK) != 0 }
    defer { free(place) }
    return String(cString: place) == directory
  }

  /// The namespace of our process numbers, as the CLI writes it: `pid:[4026531836]`.
  private static var domain: String? {
    var target = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/self/ns/pid", &target, target.count - 1)
    return count > 0 ? String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  /// A short file; nil where it isn't there, or is more than 64 KiB.
  private func text(of path: String) -> Bytes? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
    defer { room.deallocate() }
    let count = read(descriptor, room.baseAddress, room.count)
    guard count > 0, count < room.count else { return nil }
    var bytes = Bytes(capacity: count)
    bytes.append(ByteSlice(start: room.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count))
    return bytes
  }
}
