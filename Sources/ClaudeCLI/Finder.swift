// SPDX-License-Identifier: MIT
import Glibc

/// Looks for the CLI in all places where its installers put it.
package struct Finder: Sendable {
  /// A path that the operator named: looked at first.
  package var named: String?
  /// A path that set-up left: looked at last.
  package var fallback: String?
  package var environment: [String: String]
  package var directory: String
  /// Stands before every path, so that tests can have a machine of their own.
  package var root = ""

  package init(named: String?, fallback: String?, environment: [String: String], directory: String, root: String = "") {
    self.named = named
    self.fallback = fallback
    self.environment = environment
    self.directory = directory
    self.root = root
  }

  /// The first regular file of the places that may be executed, and the places looked at before it.
  package func find() -> (path: String?, searched: [String]) {
    var searched: [String] = []
    for place in places() {
      if isProgram(place) { return (place, searched) }
      searched.append(place)
    }
    return (nil, searched)
  }

  /// Every place, in order, each once.
  package func places() -> [String] {
    var places: [String] = []
    func add(_ path: String) {
      if !places.contains(path) { places.append(path) }
    }
    if let named, !named.isEmpty { add(absolute(named)) }
    // A relative entry would depend on where we were started: not looked at.
    for entry in (environment["PATH"] ?? "").split(separator: ":") where entry.hasPrefix("/") {
      add("\(entry)/claude")
    }
    let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    func addHome(_ path: String) {
      if let home { add("\(home)/\(path)/claude") }
    }
    addHome(".local/bin")
    addHome(".claude/local")
    addHome(".npm-global/bin")
    addHome("node_modules/.bin")
    add("\(directory)/node_modules/.bin/claude")
    addHome(".yarn/bin")
    addHome(".bun/bin")
    addHome(".volta/bin")
    if let nvm = environment["NVM_DIR"] ?? home.map({ "\($0)/.nvm" }) {
      for version in versions(in: "\(nvm)/versions/node") { add("\(nvm)/versions/node/\(version)/bin/claude") }
    }
    if let pnpm = environment["PNPM_HOME"], pnpm.hasPrefix("/") { add("\(pnpm)/claude") }
    addHome(".local/share/pnpm")
    for place in ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"] { add("\(place)/claude") }
    if let fallback, !fallback.isEmpty { add(absolute(fallback)) }
    return places
  }

  /// Whether it is there now, as a file that may be executed.
  package func isProgram(_ path: String) -> Bool {
    var status = stat()
    return stat(root + path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(root + path, X_OK) == 0
  }

  private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

  /// The folders of node versions, the newest first.
  private func versions(in folder: String) -> [String] {
    guard let listing = opendir(root + folder) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    func numbers(_ name: String) -> [Int] {
      name.drop { $0 == "v" }.split(separator: ".").map { Int($0) ?? 0 }
    }
    return names.sorted { numbers($1).lexicographicallyPrecedes(numbers($0)) }
  }
}
