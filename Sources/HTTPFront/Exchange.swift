// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import NIOHTTP1
import Records

/// One request and its answer, from the head of the one to the end of the other.
final class Exchange {
  /// How far it has come.
  enum Stage {
    /// The request is still arriving.
    case arriving
    /// The request's record waits for a pipeline.
    case queued
    /// The request's record was written.
    case submitted
    /// The answer has begun.
    case answering
    case ended
  }

  /// How the end of an answer's body is told (RFC 9112, 6.3).
  enum Framing {
    case chunks
    /// By its length, or by the end of the connection.
    case plain
    /// There is no body.
    case none
  }

  let rid: RID
  let head: HTTPRequestHead
  let target: RequestTarget
  /// What the route table says of it.
  let match: RouteTable.Match
  let peer: String
  let startedAt = NIODeadline.now()
  /// The latest time for the end of the answer.
  var deadline: NIODeadline
  var stage = Stage.arriving
  /// When its record was written to its pipeline.
  var submittedAt = NIODeadline.now()
  /// Nil when the client is gone, or has been answered.
  var connection: Connection?
  /// Where its record went.
  var pipeline: Pipeline?
  /// The pipeline has said its last about it.
  var hasEnd = false
  /// Whether the connection can take another request afterwards.
  var keepsConnection: Bool

  /// The record, while the body arrives.
  var record = ByteBuffer()
  /// Where in the record its time stands, in bytes from its start.
  var timeAt = 0
  var check: JSONCheck?
  /// Bytes of the body that count as buffered.
  var bodyBytes = 0
  /// How many bytes the head says that the body has; 0 where it doesn't say.
  var bodyLength = 0
  var isBodySubmitted = false

  /// The name of the token that let it in.
  var key: String?
  /// The origin of the page that asks, where it is told that it may.
  var origin: String?

  var dialect: Dialect
  var status = 0
  var isEventStream = false
  /// What the answer's head says of its length.
  var length: Int?
  /// The whole answer is needed before its first byte can go: health answers, and HEAD.
  var collects = false
  var collected: AnswerStart?
  /// What waits for the end of this wake-up.
  var pending = PendingBody()
  /// How the end of the body is told.
  var framing = Framing.none
  var isDirty = false
  var bytesOut = 0
  var lastWrite = NIODeadline.now()
  var firstEventAt: NIODeadline?
  /// How many bytes the client had taken when it was last seen to take some, and when.
  var taken = (bytes: 0, at: NIODeadline.now())
  var account = Account()
  var errorType: String?
  var errorParam: String?
  /// When the client got the last of it, or went away.
  var endedAt: NIODeadline?

  init(
    rid: RID, head: HTTPRequestHead, target: RequestTarget, match: RouteTable.Match, dialect: Dialect, peer: String,
    connection: Connection, timeout: TimeAmount
  ) {
    self.rid = rid
    self.head = head
    self.target = target
    self.match = match
    self.dialect = dialect
    self.peer = peer
    self.connection = connection
    deadline = startedAt + timeout
    keepsConnection = head.isKeepAlive
  }

  var path: String { target.path }
  /// Nil where the table has none.
  var route: Route? { if case .found(let route, _, _) = match { route } else { nil } }
  /// Bytes of the body that are still to come, as far as the head says.
  var bodyLeft: Int { stage == .arriving ? max(0, bodyLength - bodyBytes) : 0 }
  /// Bytes that the answer's head has promised and that have not come; less than 0 where more came.
  var missing: Int { length.map { $0 - bytesOut - pending.count } ?? 0 }
  var isDelivered: Bool { length.map { bytesOut >= $0 } ?? false }
  /// HTTP/1.0: knows no chunks, and closes unless asked not to.
  var isOld: Bool { head.version.major == 1 && head.version.minor == 0 }
  var isHead: Bool { head.method == .HEAD }

  /// The memory for the end of the record, after the body, in bytes.
  static let endOfRecord = 8

  /// Takes the next bytes of the body into the record.
  ///
  /// - Throws: where it can't be JSON.
  func take(_ body: ByteBuffer) throws(JSONCheck.Fault) {
    guard check != nil else { return }
    let taken = record.readableBytes
    if record.writableBytes < body.readableBytes, bodyLeft >= body.readableBytes {
      // The rest of a body gets its memory in one or two steps, because each step moves what has come. No client gets more
      // than eight times what it has sent.
      record.reserveCapacity(taken + min(bodyLeft, 7 * taken) + Self.endOfRecord)
      record.withVeryUnsafeMutableBytes { preferHugePages($0) }
    }
    bodyBytes += body.readableBytes
    record.writeImmutableBuffer(body)
    var fault: JSONCheck.Fault?
    record.withUnsafeMutableReadableBytes { bytes in
      let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[taken...])
      do throws(JSONCheck.Fault) {
        try check!.take(piece.assumingMemoryBound(to: UInt8.self))
      } catch {
        fault = error
      }
    }
    if let fault { throw fault }
  }
}
