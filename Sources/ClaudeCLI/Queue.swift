// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Those who wait for a process, first come first served.
struct Queue<Element: AnyObject> {
  private var line: [Element] = []

  var isEmpty: Bool { line.isEmpty }
  var all: [Element] { line }

  mutating func append(_ element: Element) { line.append(element) }

  mutating func next() -> Element? { line.isEmpty ? nil : line.removeFirst() }

  /// True where it stood in line.
  mutating func remove(_ element: Element) -> Bool {
    guard let index = line.firstIndex(where: { $0 === element }) else { return false }
    line.remove(at: index)
    return true
  }
}

/// A bare request that is kept until the ones before it are answered.
final class BareRequest {
  private let rid: String
  private let ctx: String?
  private let payload: Bytes

  init(_ line: Line) {
    rid = line.rid.text
    ctx = line.ctx?.text
    var bytes = Bytes(capacity: line.payload.count)
    bytes.append(line.payload)
    payload = bytes
  }

  /// Hands over the line as it was.
  func withLine(_ body: (Line) -> Void) {
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
