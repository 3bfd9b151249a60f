// SPDX-License-Identifier: MIT
import JSONText
import NIOCore

/// The part of a health answer about kept responses: `responses_store` in its `details`.
package struct StoreGauges: Equatable {
  /// Whether they can be kept.
  package var isWell: Bool
  package var responses: Int?
  package var bytes: Int?

  /// Nil if the pipeline keeps no responses, or has not answered a health request yet.
  package init?(health body: ByteBuffer?) {
    let found = body?.withUnsafeReadableBytes { bytes -> StoreGauges? in
      Self.member(of: bytes.assumingMemoryBound(to: UInt8.self)).map { StoreGauges($0) }
    }
    guard let gauges = found.flatMap({ $0 }) else { return nil }
    self = gauges
  }

  private init(_ store: ByteSlice) {
    func number(_ name: StaticString) -> Int? {
      Scan.member(name, of: store).flatMap { Int($0.text) }.flatMap { $0 >= 0 ? $0 : nil }
    }
    isWell = Scan.member("status", of: store)?.equals("\"ok\"") == true
    (responses, bytes) = (number("responses"), number("bytes"))
  }

  private static func member(of answer: ByteSlice) -> ByteSlice? {
    Scan.member("details", of: answer).flatMap { Scan.member("responses_store", of: $0) }
  }

  /// Appends the `details` of a health answer for clients without a token, with a comma after it. Of the store it has
  /// only the status, because the rest may name files of this machine.
  static func append(open details: ByteSlice, to body: inout Bytes) {
    guard let store = Scan.member("responses_store", of: details) else {
      body.append("\"details\":")
      body.append(details)
      body.append(",")
      return
    }
    body.append("\"details\":{")
    body.append(members: details, but: ["responses_store"])
    body.append("\"responses_store\":{\"status\":")
    if let status = Scan.member("status", of: store) { body.append(status) } else { body.append("null") }
    body.append("}},")
  }
}
