// SPDX-License-Identifier: MIT
import CSQLite
import Glibc
import JSONText
import Records

/// The file that keeps responses, which processes share.
///
/// If the file can't be used, requests are still answered, but not kept. A read or a write then returns nil.
/// ``trouble`` has the reason, and the log has it once. The file is tried again after a while. A file that was moved or
/// removed is opened again.
package final class ResponsesFile {
  /// Where responses are kept, how long, and how many.
  package struct Settings: Sendable {
    package var path: String
    /// How long a response stays after its last use, in seconds.
    package var keep = 86_400
    /// How large the file may grow, in bytes.
    package var maxSize = 256 << 20

    package init(path: String) { self.path = path }
  }

  package let settings: Settings
  /// Why the file can't be used now; nil if it can.
  private(set) var trouble: Trouble?
  /// Lines for the log, until ``report(to:)`` writes them.
  private var notes: [(level: Output.Note.Level, message: String)] = []
  private var database: Database?
  /// The identity of the file that `database` has open.
  private var identity: FileIdentity?
  /// When the last attempt to use the file failed, in microseconds since the epoch.
  private var failedAt: Int?

  /// When something was last written, in microseconds since the epoch.
  private var writtenAt: Int?

  /// How long a statement waits for the lock of another process, in milliseconds. A `VACUUM` of the largest usual file
  /// takes some seconds.
  private static let patience: Int32 = 5_000
  /// The same if the last attempt failed. It is short, because all answers wait for it.
  private static let shortPatience: Int32 = 50
  /// How long the file is not tried again after an attempt failed, in microseconds.
  private static let pause = 5_000_000
  /// How long after a write health assumes that the file can be written, in microseconds.
  private static let proof = 60_000_000

  package init(_ settings: Settings) { self.settings = settings }

  /// Whether a transaction reads or writes.
  enum Access { case reading, writing }

  /// Does some work in one transaction. Returns nil if the file can't be used.
  ///
  /// - Parameter now: the time of the record, in microseconds since the epoch; 0 if it has none.
  func perform<R>(_ access: Access, at now: Int, _ work: (Database) throws(SQLiteFault) -> R) -> R? {
    if let trouble, access == .writing || !trouble.lets(.reading), isTooEarly(now) { return nil }
    // A damaged file is renamed, and the work is done in a new file.
    for isLast in [false, true] {
      do throws(Trouble) {
        let database = try connection(at: now)
        do throws(SQLiteFault) {
          let result = try Self.transaction(access, in: database, work)
          works(access, at: now)
          return result
        } catch {
          let found = Trouble(error)
          guard found.kind == .damaged, !isLast else { throw found }
          try putAside(found, at: now)
        }
      } catch {
        fails(error, at: now)
        return nil
      }
    }
    return nil
  }

  private static func transaction<R>(
    _ access: Access, in database: Database, _ work: (Database) throws(SQLiteFault) -> R
  ) throws(SQLiteFault) -> R {
    try database.run(access == .writing ? .beginWriting : .begin)
    do throws(SQLiteFault) {
      let result = try work(database)
      try database.run(.commit)
      return result
    } catch {
      // If the rollback fails too, the first failure says more.
      if database.isInTransaction { try? database.run(.rollback) }
      throw error
    }
  }

  private func isTooEarly(_ now: Int) -> Bool {
    guard now > 0, let failedAt else { return false }
    // If the clock was set back, the file must not stay closed for long.
    return now >= failedAt && now - failedAt < Self.pause
  }

  private func fails(_ trouble: Trouble, at now: Int) {
    failedAt = now
    if self.trouble?.kind != trouble.kind {
      note(.error, "\(settings.path): responses can't be \(trouble.verb): \(trouble.message)")
    }
    self.trouble = trouble
    if !trouble.lets(.reading) { close() }
    database?.wait(atMost: Self.shortPatience)
  }

  private func works(_ access: Access, at now: Int) {
    if access == .writing { writtenAt = now }
    guard let trouble, access == .writing || !trouble.lets(.reading) else { return }
    self.trouble = nil
    failedAt = nil
    database?.wait(atMost: Self.patience)
    note(.info, "\(settings.path): responses are kept again")
  }

  // MARK: Opening

  private func close() { (database, identity) = (nil, nil) }

  private func connection(at now: Int) throws(Trouble) -> Database {
    if let database {
      if FileIdentity(settings.path) == identity { return database }
      close()
    }
    // One process at a time makes a file, or renames a damaged one.
    let lock = try FolderLock(of: settings.path, patience: trouble == nil ? Self.patience : Self.shortPatience)
    defer { withExtendedLifetime(lock) {} }
    for isLast in [false, true] {
      let identity = try FileIdentity(making: settings.path)
      let found: Trouble
      do throws(SQLiteFault) {
        let opened = try Database(path: settings.path)
        opened.wait(atMost: trouble == nil ? Self.patience : Self.shortPatience)
        guard let refusal = try opened.prepare() else {
          (database, self.identity) = (opened, identity)
          return opened
        }
        found = Trouble(.foreign, "it \(refusal)")
      } catch {
        found = Trouble(error)
      }
      guard found.kind == .damaged, !isLast else { throw found }
      try moveAside(found, identity, at: now)
    }
    throw Trouble(.unreadable, "it can't be opened")
  }

  private func putAside(_ trouble: Trouble, at now: Int) throws(Trouble) {
    let damaged = identity
    close()
    guard let damaged else { return }
    let lock = try FolderLock(of: settings.path, patience: Self.patience)
    defer { withExtendedLifetime(lock) {} }
    try moveAside(trouble, damaged, at: now)
  }

  /// Renames a damaged file, unless another process has done so already.
  private func moveAside(_ trouble: Trouble, _ damaged: FileIdentity, at now: Int) throws(Trouble) {
    guard FileIdentity(settings.path) == damaged else { return }
    let path = settings.path
    var name = "\(path).damaged-\(now / 1_000_000)"
    var count = 1
    while FileIdentity(name) != nil {
      count += 1
      name = "\(path).damaged-\(now / 1_000_000)-\(count)"
    }
    guard rename(path, name) == 0 else { throw Trouble(errno: errno, "it is damaged and can't be put aside") }
    // The log belongs to the damaged file, and would spoil the new one.
    _ = rename(path + "-wal", name + "-wal")
    _ = unlink(path + "-shm")
    note(.error, "\(path) is damaged (\(trouble.message)): it is \(name) now, and a new file begins")
  }

  // MARK: Log and health

  private func note(_ level: Output.Note.Level, _ message: String) { notes.append((level, message)) }

  /// Writes what happened to the log.
  func report(to out: inout Output) {
    guard !notes.isEmpty else { return }
    for note in notes { out.note(note.level, note.message) }
    notes = []
  }

  /// The state of the file, as a JSON object: `{"status":"ok","responses":12,"bytes":65536}`.
  ///
  /// `status` is `ok` or the kind of the trouble, with a `message`. `damaged` names the newest damaged file,
  /// as long as it exists.
  func report(at now: Int) -> String {
    // Only the process at the other end of the pipe may have failed to write, so try it here.
    if trouble != nil || writtenAt.map({ abs(now - $0) >= Self.proof }) ?? true { tryWriting(at: now) }
    let found = perform(.reading, at: now) { (database) throws(SQLiteFault) in
      (try database.first(.count) ?? 0, try database.usedBytes())
    }
    var text = Bytes()
    text.append(#"{"status":"#)
    text.append(quoted: trouble?.kind.rawValue ?? "ok")
    if let trouble {
      text.append(#","message":"#)
      text.append(quoted: trouble.message)
    }
    if let (responses, bytes) = found {
      text.append(#","responses":"#)
      text.append(decimal: responses)
      text.append(#","bytes":"#)
      text.append(decimal: bytes)
    }
    if let damaged = FolderLock.newestDamaged(of: settings.path) {
      text.append(#","damaged":"#)
      text.append(quoted: damaged)
    }
    text.append("}")
    return text.text
  }

  /// Finds out whether the file can be written. It writes as much as a small conversation has, for which a full disk
  /// has no room.
  ///
  /// It also removes responses that are too old, because without new requests nothing else would.
  private func tryWriting(at now: Int) {
    let isWritten: Void? = perform(.writing, at: now) { (database) throws(SQLiteFault) in
      try database.run(.setTrial)
    }
    guard isWritten != nil else { return }
    _ = perform(.writing, at: now) { (database) throws(SQLiteFault) in
      try database.run(.removeTrial)
      try database.sweep(settings, added: 0, at: now)
    }
  }
}

extension Database {
  /// Makes the tables of a new file. Returns why the file can't be used if it belongs to something else.
  func prepare() throws(SQLiteFault) -> String? {
    // SQLite accepts this only while the file is empty.
    try execute("PRAGMA auto_vacuum = INCREMENTAL")
    let version = try number("PRAGMA user_version")
    let application = try number("PRAGMA application_id")
    let tables = try number("SELECT count(*) FROM sqlite_schema")
    let isNew = version == 0 && application == 0 && tables == 0
    guard isNew || application == Schema.application else { return "is a database of something else" }
    guard version <= Schema.version else { return "was made by a newer version of claude-proxy" }
    try execute(
      """
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA secure_delete = FAST;
      PRAGMA temp_store = MEMORY;
      PRAGMA journal_size_limit = 4194304;
      """)
    guard isNew else { return nil }
    try execute(
      """
      BEGIN IMMEDIATE;
      \(Schema.text)
      PRAGMA application_id = \(Schema.application);
      PRAGMA user_version = \(Schema.version);
      COMMIT;
      """)
    return nil
  }

  /// How many bytes of the file are in use.
  func usedBytes() throws(SQLiteFault) -> Int {
    (try first(.pages) ?? 0) * Self.pageSize - (try first(.freePages) ?? 0) * Self.pageSize
  }

  static let pageSize = 4_096
}
