// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import Records

/// One program of a pipeline, the leader of a process group of its own.
final class Stage {
  /// Its words on the command line.
  let words: [String]
  let pid: pid_t
  /// The wait status; nil while it runs. It is not collected before ``collect()``, so that its number stays taken.
  private(set) var status: Int32?

  /// Starts it with these descriptors as its standard ones; where none is given for errors, it gets ours.
  ///
  /// - Throws: ``Failure`` of kind `unavailable`.
  init(
    _ words: [String], input: Int32, output: Int32, errors: Int32 = STDERR_FILENO, environment: Environment,
    withSecrets: Bool = false
  ) throws(Failure) {
    self.words = words
    guard let path = Self.find(words[0], in: environment) else {
      throw Failure(.unavailable, "\(words[0]): there is no such program in PATH", errno: ENOENT)
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = []
    for word in words { arguments.append(strdup(word)) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let error = environment.withPointers(withSecrets: withSecrets) {
      clinux_spawn(&pid, path, arguments, $0, [input, output, errors], nil, 0)
    }
    guard error == 0 else {
      throw Failure(.unavailable, "\(words[0]) can't be started: \(String(cString: strerror(error)))", errno: error)
    }
    self.pid = pid
  }

  /// Where a shell would find a program.
  static func find(_ name: String, in environment: Environment) -> String? {
    func isProgram(_ path: String) -> Bool {
      var status = stat()
      return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
    if name.contains("/") { return isProgram(name) ? name : nil }
    let path = environment.value(of: "PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
      let candidate = (folder.isEmpty ? "." : String(folder)) + "/" + name
      if isProgram(candidate) { return candidate }
    }
    return nil
  }

  var hasEnded: Bool { status != nil }

  /// Looks whether it has ended; true the first time that it has.
  func checkEnded() -> Bool {
    guard status == nil else { return false }
    var status: Int32 = 0
    let result = clinux_has_ended(pid, &status)
    // Without a child of that number there is nothing left to wait for.
    guard result != 0 else { return false }
    self.status = result > 0 ? status : 0
    return true
  }

  /// Signals it and all that it started, as far as they stayed in its group.
  func signal(_ number: Int32) { kill(-pid, number) }

  /// Takes its number back from the system; what it left behind in its group is killed.
  func collect() {
    signal(SIGKILL)
    var status: Int32 = 0
    _ = clinux_reap(pid, &status)
  }

  /// Kills it and waits until it is gone, which SIGKILL makes short.
  func destroy() {
    signal(SIGKILL)
    while waitpid(pid, nil, 0) < 0, errno == EINTR {}
  }

  /// How it ended, for the log.
  var ending: String {
    guard let status else { return "is running" }
    let signal = status & 0x7F
    return signal == 0 ? "exited with status \(status >> 8 & 0xFF)" : "was ended by signal \(signal)"
  }
}
