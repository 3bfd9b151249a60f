// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records
import Testing

@testable import ClaudeCLI

/// A machine of its own: a folder that stands for the root of the file system.
final class FakeMachine {
  let root: String

  init() throws {
    var template = Array("/tmp/claude-cli-tests-XXXXXX".utf8CString)
    root = String(cString: try #require(mkdtemp(&template)))
  }

  deinit {
    func remove(_ path: String) {
      if let listing = opendir(path) {
        while let entry = readdir(listing) {
          let name = withUnsafeBytes(of: entry.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
          }
          if name != ".", name != ".." { remove("\(path)/\(name)") }
        }
        closedir(listing)
        rmdir(path)
      } else {
        unlink(path)
      }
    }
    remove(root)
  }

  func folder(_ path: String) {
    var at = root
    for part in path.split(separator: "/") {
      at += "/\(part)"
      mkdir(at, 0o700)
    }
  }

  func file(_ path: String, mode: mode_t = 0o755) {
    folder(path.split(separator: "/").dropLast().joined(separator: "/"))
    let descriptor = open(root + path, O_CREAT | O_WRONLY, mode)
    close(descriptor)
    chmod(root + path, mode)
  }

  func finder(named: String? = nil, fallback: String? = nil, _ environment: [String: String] = [:]) -> Finder {
    Finder(
      named: named, fallback: fallback,
      environment: ["HOME": "/home/me", "PATH": "/usr/bin:/opt/bin:relative"].merging(environment) { $1 },
      directory: "/srv", root: root)
  }
}

@Suite("finder")
struct FinderTests {
  @Test("the places come in order")
  func order() throws {
    let machine = try FakeMachine()
    machine.file("/home/me/.nvm/versions/node/v9.11.0/bin/claude")
    machine.file("/home/me/.nvm/versions/node/v20.1.0/bin/claude")
    machine.file("/setup/claude")
    let finder = machine.finder(named: "my/claude", fallback: "/setup/claude", ["PNPM_HOME": "/pnpm"])
    #expect(
      finder.places() == [
        "/srv/my/claude", "/usr/bin/claude", "/opt/bin/claude", "/home/me/.local/bin/claude",
        "/home/me/.claude/local/claude", "/home/me/.npm-global/bin/claude", "/home/me/node_modules/.bin/claude",
        "/srv/node_modules/.bin/claude", "/home/me/.yarn/bin/claude", "/home/me/.bun/bin/claude",
        "/home/me/.volta/bin/claude", "/home/me/.nvm/versions/node/v20.1.0/bin/claude",
        "/home/me/.nvm/versions/node/v9.11.0/bin/claude", "/pnpm/claude", "/home/me/.local/share/pnpm/claude",
        "/usr/local/bin/claude", "/opt/homebrew/bin/claude", "/setup/claude",
      ])
    #expect(finder.find().path == "/home/me/.nvm/versions/node/v20.1.0/bin/claude")
    #expect(finder.find().searched.count == 11)
  }

  @Test("only a regular file that may be executed is a program")
  func programs() throws {
    let machine = try FakeMachine()
    machine.folder("/usr/bin/claude")
    machine.file("/opt/bin/claude", mode: 0o644)
    #expect(machine.finder().find().path == nil)
    machine.file("/usr/local/bin/claude")
    #expect(machine.finder().find().path == "/usr/local/bin/claude")
    symlink(machine.root + "/usr/local/bin/claude", machine.root + "/home")
    #expect(machine.finder(named: "/home").find().path == "/home")
  }

  @Test("without a home its places are not searched")
  func noHome() throws {
    let machine = try FakeMachine()
    #expect(!machine.finder(["HOME": ""]).places().contains { $0.contains(".local") })
  }
}

@Suite("environment")
struct EnvironmentTests {
  private static let ours = [
    "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "AWS_SECRET": "s", "CLAUDECODE": "1", "CLAUDE_CODE_X": "1",
    "ANTHROPIC_API_KEY": "key", "ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_BASE_URL": "http://x",
    "ANTHROPIC_MODEL": "m", "CLAUDE_CODE_OAUTH_TOKEN": "oauth", "AUTH_TOKEN": "t", "LD_PRELOAD": "x.so",
    "NODE_OPTIONS": "--x", "CLAUDE_CODE_MAX_RETRIES": "9",
  ]

  private func names(_ auth: Auth) -> Set<String> {
    Set(
      ChildEnvironment.make(from: Self.ours, auth: auth, client: "c/1").map { String($0.prefix { $0 != "=" }) }
    ).subtracting(Contract.fixed.map(\.name))
  }

  @Test("a child gets what the table names")
  func chosen() {
    let common: Set = ["PATH", "HOME", "LC_ALL", "ANTHROPIC_BASE_URL", "CLAUDE_AGENT_SDK_CLIENT_APP"]
    #expect(names(.key) == common.union(["ANTHROPIC_API_KEY"]))
    #expect(names(.login) == common.union(["CLAUDE_CODE_OAUTH_TOKEN"]))
    let made = ChildEnvironment.make(from: Self.ours, auth: .key, client: "c/1", betas: ["a", "b"])
    #expect(made.contains("ANTHROPIC_BETAS=a,b") && made.contains("CLAUDE_CODE_MAX_RETRIES=0"))
  }

  @Test("versions are read and compared")
  func versions() {
    #expect(CLIVersion(reading: "2.1.330 (Claude Code)\n") == CLIVersion(2, 1, 330))
    #expect(CLIVersion(reading: "2.2.0-beta.1") == CLIVersion(2, 2, 0))
    #expect(CLIVersion(reading: "claude") == nil)
    #expect(CLIVersion(2, 1, 99) < Contract.oldestVersion && CLIVersion(2, 2, 0) > Contract.oldestVersion)
  }

  @Test("a key is bare, a login never")
  func flags() throws {
    let model = try #require(ModelName("m"))
    #expect(Contract.flags(auth: .key).contains("--bare") && !Contract.flags(auth: .login).contains("--bare"))
    #expect(
      Contract.resuming("/t.jsonl", last: "U", model: model)
        == ["--model", "m", "--resume=/t.jsonl", "--resume-session-at=U"])
  }
}

@Suite("run directory")
struct RunDirectoryTests {
  @Test("files are private, and what the dead left is swept")
  func sweep() throws {
    let machine = try FakeMachine()
    let base = machine.root + "/run"
    do {
      let directory = try RunDirectory(under: base)
      var bytes = Bytes()
      bytes.append("secret")
      let file = try directory.write(bytes, named: "a.jsonl")
      var status = stat()
      #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
      // A second one leaves the files of the living.
      let other = try RunDirectory(under: base)
      #expect(access(file, F_OK) == 0)
      other.removeAll()
    }
    // The first is gone without having removed anything, as after SIGKILL.
    let third = try RunDirectory(under: base)
    third.removeAll()
    let listing = try #require(opendir(base))
    defer { closedir(listing) }
    var names: Set<String> = []
    while let entry = readdir(listing) {
      names.insert(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    #expect(names == [".", "..", "claude-exec.lock", "empty"])
  }

  @Test("a directory that others can enter is refused")
  func open() throws {
    let machine = try FakeMachine()
    machine.folder("/run")
    chmod(machine.root + "/run", 0o755)
    #expect(throws: Failure.self) { try RunDirectory(under: machine.root + "/run") }
  }
}
