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
  /// - Parameter audience: what of the environment it gets; nil is what a stage of these words gets.
  /// - Throws: ``Failure`` of kind `unavailable`.
  init(
    _ words: [String], input: Int32, output: Int32, errors: Int32 = STDERR_FILENO, environment: Environment,
    for audience: Environment.Audience? = nil
  ) throws(Failure) {
    self.words = words
    let path = try Self.find(words[0], in: environment)
    var arguments: [UnsafeMutablePointer<CChar>?] = []
    for word in words { arguments.append(strdup(word)) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let error = environment.withPointers(for: audience ?? .stage(words)) {
      clinux_spawn(&pid, path, arguments, $0, [input, output, errors], nil, 0)
    }
    guard error == 0 else { throw Self.failure(toStart: path, words, error) }
    self.pid = pid
  }

  /// Where a shell would find a program.
  ///
  /// - Throws: ``Failure`` of kind `unavailable` that says what is wrong with it.
  static func find(_ name: String, in environment: Environment) throws(Failure) -> String {
    func look(_ path: String) -> (isFile: Bool, isProgram: Bool) {
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return (false, false) }
      return (true, access(path, X_OK) == 0)
    }
    func fail(_ reason: String) -> Failure { Failure(.unavailable, "the stage `\(name)`: \(reason)", errno: ENOENT) }
    func notExecutable(_ path: String) -> Failure {
      fail("\(path) is not executable. Run: chmod +x \(path)")
    }
    if name.contains("/") {
      let found = look(name)
      if found.isProgram { return name }
      throw found.isFile ? notExecutable(name) : fail("there is no file \(name). Correct the path in PIPELINE")
    }
    let path = environment.value(of: "PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    var passedOver: String?
    for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
      let candidate = (folder.isEmpty ? "." : String(folder)) + "/" + name
      let found = look(candidate)
      if found.isProgram { return candidate }
      if found.isFile, passedOver == nil { passedOver = candidate }
    }
    if let passedOver { throw notExecutable(passedOver) }
    if look("./" + name).isFile {
      throw fail("command not found in PATH. For the file in this folder, write ./\(name)")
    }
    throw fail("command not found in PATH. Install it, or write the path of its file")
  }

  /// Why the system can't start a file that is there and executable.
  private static func failure(toStart path: String, _ words: [String], _ code: Int32) -> Failure {
    let reason =
      switch code {
      case ENOEXEC: "\(path) is not a program: its first line must be like #!/bin/sh"
      case ENOENT:
        "the program that the first line of \(path) names does not exist. Correct that line, or install the program"
      default: "\(path) can't be started: \(String(cString: strerror(code)))"
      }
    return Failure(.unavailable, "the stage `\(words[0])`: \(reason)", errno: code)
  }

  /// Its words as they may be shown: as one would type them, cut short.
  static func text(of words: [String]) -> String {
    let text = words.map { word in
      // env(1) may be given a secret.
      if let sign = word.firstIndex(of: "="), Secrets.isSecret(String(word[..<sign]), value: []) {
        return word[...sign] + "***"
      }
      return word.isEmpty || word.contains { " '\"\\|".contains($0) } ? PipelineText.quoted(word)[...] : word[...]
    }
    .joined(separator: " ")
    return text.count <= 200 ? text : text.prefix(199) + "…"
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

  /// A signal that nobody here sends has ended it.
  var hasCrashed: Bool {
    guard let signal = status.map({ $0 & 0x7F }) else { return false }
    return ![0, SIGTERM, SIGKILL].contains(signal)
  }

  /// How it ended, for the log.
  var ending: String {
    guard let status else { return "is running" }
    let signal = status & 0x7F
    return signal == 0 ? "exited with status \(status >> 8 & 0xFF)" : "was ended by signal \(signal)"
  }
}
