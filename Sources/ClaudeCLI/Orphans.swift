// SPDX-License-Identifier: MIT
import CLinux
import Glibc

/// Processes that outlive the CLI that started them. They become our children, whatever group or session they are in.
enum Orphans {
  /// Children that we had at the start: the program that became this one by `exec` may have left them.
  private nonisolated(unsafe) static var inherited: Set<pid_t> = []
  /// The processes that we started and have not collected. Only the reactor's thread comes here.
  private nonisolated(unsafe) static var ours: Set<pid_t> = []

  /// From now on we become the parent of processes that outlive our children.
  static func adopt() {
    inherited = children()
    clinux_adopt_orphans()
  }

  static func started(_ pid: pid_t) { ours.insert(pid) }
  static func collected(_ pid: pid_t) { ours.remove(pid) }

  /// Kills all of them, and the processes that outlive them.
  static func end() {
    // Each round may show the children of those before.
    for _ in 0..<8 {
      let left = children().subtracting(ours).subtracting(inherited)
      if left.isEmpty { return }
      for pid in left {
        kill(pid, SIGKILL)
        while waitpid(pid, nil, 0) < 0, errno == EINTR {}
      }
    }
  }

  /// The processes whose parent we are.
  private static func children() -> Set<pid_t> {
    let ownNumber = getpid()
    var found: Set<pid_t> = []
    for name in RunDirectory.names(in: "/proc") {
      if let pid = pid_t(name), parent(of: pid) == ownNumber { found.insert(pid) }
    }
    return found
  }

  /// - SeeAlso: proc_pid_stat(5): `PID (NAME) STATE PARENT …`, and the name may have anything in it.
  private static func parent(of pid: pid_t) -> pid_t? {
    let descriptor = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var room = [UInt8](repeating: 0, count: 512)
    let count = read(descriptor, &room, room.count)
    guard count > 0, let end = room[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let words = room[(end + 1)..<count].split(separator: UInt8(ascii: " "))
    return words.count > 1 ? pid_t(String(decoding: words[1], as: UTF8.self)) : nil
  }
}
