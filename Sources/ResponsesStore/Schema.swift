// SPDX-License-Identifier: MIT

/// The form of the file.
///
/// A response is a row of `responses`, with a link to the response that it follows. Its items are rows of `items`:
/// first the items of its request, then those of its answer. Their numbers begin with the number of the response.
/// `bodies` has the text of the answer around its `output`.
///
/// Only rows without followers are removed, so that no conversation loses its beginning. `children` counts the
/// followers, and the index `leaves` finds the oldest row without any.
enum Schema {
  /// The `application_id` of the file: "cprs".
  static let application = 0x6370_7273
  /// The `user_version` of the file.
  static let version = 1

  /// The state of a response.
  enum State {
    /// Its answer has not ended yet.
    static let pending = 0
    static let kept = 1
    /// Deleted, or replaced by a response with the same id. Responses that follow it need its items.
    static let hidden = 2
  }

  /// Items of a response are numbered from `response << placeBits`; those of its answer from ``output`` on.
  static let placeBits = 24
  static let output = 1 << 23

  static let text = """
    CREATE TABLE responses (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      owner TEXT NOT NULL,
      id TEXT,
      previous INTEGER,
      children INTEGER NOT NULL DEFAULT 0,
      state INTEGER NOT NULL,
      used INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      nodes INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX responses_by_id ON responses (owner, id) WHERE id IS NOT NULL;
    CREATE INDEX leaves ON responses (used) WHERE children = 0;
    CREATE INDEX followers ON responses (previous) WHERE previous IS NOT NULL;
    CREATE TABLE items (number INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, bytes BLOB NOT NULL, seal BLOB);
    CREATE INDEX items_by_id ON items (owner, id);
    CREATE TABLE bodies (response INTEGER PRIMARY KEY, head BLOB NOT NULL, tail BLOB NOT NULL);
    CREATE TABLE trials (number INTEGER PRIMARY KEY, value BLOB NOT NULL);
    """
}

/// The statements that are kept prepared.
enum SQL: Int, CaseIterable {
  case begin, beginWriting, commit, rollback
  case find, isFollowed, link, insert, adopt, touch, disown, remove, removeItems, removeBody, hide
  case insertItem, items, item, itemPlace, itemsForwards, itemsBackwards
  case pending, keep, insertBody, body
  case expired, oldest, pages, freePages, count
  case setTrial, removeTrial

  var text: String {
    switch self {
    case .begin: "BEGIN"
    case .beginWriting: "BEGIN IMMEDIATE"
    case .commit: "COMMIT"
    case .rollback: "ROLLBACK"
    case .find: "SELECT number, children, used FROM responses WHERE owner = ?1 AND id = ?2"
    case .isFollowed:
      """
      WITH RECURSIVE follower (number) AS (
        SELECT number FROM responses WHERE previous = ?1
        UNION ALL SELECT r.number FROM responses r JOIN follower f ON r.previous = f.number)
      SELECT 1 FROM follower f JOIN responses r ON r.number = f.number WHERE r.used >= ?2 LIMIT 1
      """
    case .link: "SELECT previous, bytes, nodes, state, children FROM responses WHERE number = ?1"
    case .insert:
      "INSERT INTO responses (owner, previous, state, used, bytes, nodes) VALUES (?1, ?2, 0, ?3, ?4, ?5)"
    case .adopt: "UPDATE responses SET children = children + 1, used = max(used, ?2) WHERE number = ?1"
    case .touch: "UPDATE responses SET used = max(used, ?2) WHERE number = ?1"
    case .disown: "UPDATE responses SET children = children - 1 WHERE number = ?1"
    case .remove: "DELETE FROM responses WHERE number = ?1"
    case .removeItems: "DELETE FROM items WHERE number >= ?1 AND number < ?2"
    case .removeBody: "DELETE FROM bodies WHERE response = ?1"
    case .hide: "UPDATE responses SET id = NULL, state = 2 WHERE number = ?1"
    case .insertItem: "INSERT INTO items (number, owner, id, bytes, seal) VALUES (?1, ?2, ?3, ?4, ?5)"
    case .items: "SELECT bytes, seal FROM items WHERE number >= ?1 AND number < ?2 ORDER BY number"
    case .item:
      """
      SELECT i.bytes, i.seal, r.children, r.used, r.number FROM items i JOIN responses r ON r.number = i.number >> 24
      WHERE i.owner = ?1 AND i.id = ?2 AND r.state = 1 ORDER BY i.number DESC
      """
    case .itemPlace: "SELECT number FROM items WHERE owner = ?1 AND id = ?2 ORDER BY number DESC"
    case .itemsForwards:
      "SELECT bytes, seal, id FROM items WHERE number >= ?1 AND number < ?2 ORDER BY number LIMIT ?3"
    case .itemsBackwards:
      "SELECT bytes, seal, id FROM items WHERE number >= ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
    case .pending: "SELECT owner FROM responses WHERE number = ?1 AND state = 0"
    case .keep:
      """
      UPDATE responses SET state = 1, id = ?2, used = max(used, ?3), bytes = bytes + ?4, nodes = nodes + ?5
      WHERE number = ?1 AND state = 0
      """
    case .insertBody: "INSERT INTO bodies (response, head, tail) VALUES (?1, ?2, ?3)"
    case .body: "SELECT head, tail FROM bodies WHERE response = ?1"
    case .expired:
      """
      SELECT number FROM responses WHERE children = 0 AND used < ?1 AND (state <> 0 OR used < ?2)
      ORDER BY used LIMIT 1
      """
    case .oldest: "SELECT number FROM responses WHERE children = 0 ORDER BY used LIMIT 1"
    case .pages: "PRAGMA page_count"
    case .freePages: "PRAGMA freelist_count"
    case .count: "SELECT count(*) FROM responses WHERE id IS NOT NULL"
    case .setTrial: "INSERT OR REPLACE INTO trials (number, value) VALUES (1, zeroblob(65536))"
    case .removeTrial: "DELETE FROM trials"
    }
  }
}
