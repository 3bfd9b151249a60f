// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Jansson

/// The lock under which a CLI renews its owner's login.
///
/// The server changes the token as soon as it is asked for a new one. A CLI that is killed before it has saved the new
/// one leaves a login that nobody can use any more, so the process that the lock names is not killed.
struct LoginLock: Sendable {
  /// How long it may take, in nanoseconds: the CLI gives up before.
  static let longest: UInt64 = 30_000_000_000

  /// A file beside the lock that names the process: `{"pid":4711,…}`.
  private let owner: String

  /// Nil where nobody knows where a login lies.
  init?(_ environment: [String: String]) {
    let named = environment[Contract.configuration].flatMap { $0.isEmpty ? nil : $0 }
    guard let folder = named ?? environment["HOME"].map({ "\($0)/.claude" }) else { return nil }
    owner = "\(folder)/\(Contract.loginLockOwner)"
  }

  /// Whether that process renews the login now.
  func isHeld(by pid: pid_t) -> Bool {
    let descriptor = open(owner, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var room = [UInt8](repeating: 0, count: 4_096)
    let count = read(descriptor, &room, room.count)
    guard count > 0 else { return false }
    return room[..<count].withUnsafeBufferPointer { text in
      (try? JSON.parse(ByteSlice(rebasing: text[...])))?["pid"]?.integer == Int(pid)
    }
  }
}
