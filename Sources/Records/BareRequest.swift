// SPDX-License-Identifier: MIT
import JSONText

/// A bare request that is kept until the ones before it are answered.
package final class BareRequest {
  private let rid: String
  private let ctx: String?
  private let payload: Bytes

  package init(_ line: Line) {
    rid = line.rid.text
    ctx = line.ctx?.text
    var bytes = Bytes(capacity: line.payload.count)
    bytes.append(line.payload)
    payload = bytes
  }

  /// Hands over the line as it was.
  package func withLine(_ body: (Line) -> Void) {
    var names = Bytes()
    names.append(text: rid)
    let length = names.count
    if let ctx { names.append(text: ctx) }
    body(
      Line(
        form: .bare, kind: .request, bytes: payload.slice, rid: names.slice.cut(0, length),
        ctx: ctx == nil ? nil : names.slice.cut(length, names.count), payload: payload.slice))
  }
}
