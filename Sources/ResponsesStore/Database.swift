// SPDX-License-Identifier: MIT
import CSQLite
import Glibc
import JSONText

/// An error of SQLite, with its extended result code.
///
/// - SeeAlso: <https://www.sqlite.org/rescode.html>
struct SQLiteFault: Error {
  let code: Int32
  /// The `errno` of the system call that failed; 0 if none did.
  let errno: Int32
  let message: String

  /// The code without the detail that the upper bits add.
  var primary: Int32 { code & 0xFF }
}

/// A connection to one file, with its prepared statements.
final class Database {
  private let handle: OpaquePointer
  private var statements: [Statement?] = Array(repeating: nil, count: SQL.allCases.count)

  /// - Parameter path: the path of a file that exists.
  init(path: String) throws(SQLiteFault) {
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard let opened else { throw SQLiteFault(code: SQLITE_NOMEM, errno: 0, message: "out of memory") }
    guard code == SQLITE_OK else {
      let fault = Self.fault(of: opened, code)
      sqlite3_close_v2(opened)
      throw fault
    }
    handle = opened
    // When the last connection closes, SQLite would remove the log by its name. Another file may have that name by
    // then.
    var stays: Int32 = 1
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &stays)
  }

  deinit {
    statements = []
    sqlite3_close_v2(handle)
  }

  private static func fault(of handle: OpaquePointer, _ code: Int32) -> SQLiteFault {
    SQLiteFault(
      code: code, errno: sqlite3_system_errno(handle), message: String(cString: sqlite3_errmsg(handle)))
  }

  fileprivate func fault(_ code: Int32) -> SQLiteFault { Self.fault(of: handle, code) }

  /// How long a statement waits for another process's lock, in milliseconds.
  func wait(atMost time: Int32) { sqlite3_busy_timeout(handle, time) }

  /// How many rows the last statement changed.
  var changes: Int { Int(sqlite3_changes(handle)) }

  var lastNumber: Int { Int(sqlite3_last_insert_rowid(handle)) }

  /// Whether a transaction is open: SQLite ends one by itself when the disk is full.
  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  /// Runs statements that are needed once.
  func execute(_ text: String) throws(SQLiteFault) {
    let code = sqlite3_exec(handle, text, nil, nil, nil)
    guard code == SQLITE_OK else { throw fault(code) }
  }

  /// A number that a statement or a pragma gives.
  func number(_ text: String) throws(SQLiteFault) -> Int {
    let statement = try Statement(text, handle, self)
    return try statement.step() ? statement.number(0) : 0
  }

  /// A statement with its values, ready for its first row.
  func query(_ sql: SQL, _ values: Value...) throws(SQLiteFault) -> Statement {
    try prepared(sql, values)
  }

  /// Runs a statement to its end.
  func run(_ sql: SQL, _ values: Value...) throws(SQLiteFault) {
    let statement = try prepared(sql, values)
    defer { statement.reset() }
    while try statement.step() {}
  }

  /// The first column of the first row; nil where there is no row, or where it is null.
  func first(_ sql: SQL, _ values: Value...) throws(SQLiteFault) -> Int? {
    let statement = try prepared(sql, values)
    defer { statement.reset() }
    return try statement.step() ? statement.optionalNumber(0) : nil
  }

  private func prepared(_ sql: SQL, _ values: [Value]) throws(SQLiteFault) -> Statement {
    let statement: Statement
    if let made = statements[sql.rawValue] {
      statement = made
    } else {
      statement = try Statement(sql.text, handle, self)
      statements[sql.rawValue] = statement
    }
    statement.reset()
    for (index, value) in values.enumerated() { try statement.bind(Int32(index + 1), value) }
    return statement
  }

  /// A parameter of a statement. Bytes must stay valid until the statement has run.
  enum Value {
    case number(Int)
    case optional(Int?)
    case text(String)
    case bytes(ByteSlice)
    case null
  }
}

/// A prepared statement; its columns are valid until the next step.
final class Statement {
  private let handle: OpaquePointer
  private unowned let database: Database

  init(_ text: String, _ connection: OpaquePointer, _ database: Database) throws(SQLiteFault) {
    var made: OpaquePointer?
    let code = sqlite3_prepare_v3(connection, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
    guard code == SQLITE_OK, let made else { throw database.fault(code) }
    handle = made
    self.database = database
  }

  deinit { sqlite3_finalize(handle) }

  func bind(_ index: Int32, _ value: Database.Value) throws(SQLiteFault) {
    let code: Int32
    switch value {
    case .number(let number), .optional(.some(let number)): code = sqlite3_bind_int64(handle, index, Int64(number))
    case .null, .optional(.none): code = sqlite3_bind_null(handle, index)
    case .text(var text):
      // SQLite copies it, since the string's bytes are valid during the call only.
      let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      code = text.withUTF8 { text in
        text.withMemoryRebound(to: CChar.self) {
          sqlite3_bind_text64(
            handle, index, $0.baseAddress ?? emptyText, UInt64($0.count), copied, UInt8(SQLITE_UTF8))
        }
      }
    case .bytes(let bytes):
      code = sqlite3_bind_blob64(
        handle, index, UnsafeRawPointer(bytes.baseAddress) ?? emptyBytes, UInt64(bytes.count), nil)
    }
    guard code == SQLITE_OK else { throw database.fault(code) }
  }

  /// Moves to the next row; false when there is none.
  func step() throws(SQLiteFault) -> Bool {
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let code: throw database.fault(code)
    }
  }

  func reset() {
    sqlite3_reset(handle)
    sqlite3_clear_bindings(handle)
  }

  func number(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

  func optionalNumber(_ column: Int32) -> Int? { isNull(column) ? nil : number(column) }

  func bytes(_ column: Int32) -> ByteSlice {
    let start = sqlite3_column_blob(handle, column)?.assumingMemoryBound(to: UInt8.self)
    return ByteSlice(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
  }

  func optionalBytes(_ column: Int32) -> ByteSlice? { isNull(column) ? nil : bytes(column) }
}

/// SQLite takes a null pointer for null, not for no bytes.
nonisolated(unsafe) private let emptyText = UnsafePointer<CChar>(strdup("")!)
nonisolated(unsafe) private let emptyBytes = UnsafeRawPointer(emptyText)
