// SPDX-License-Identifier: MIT

/// Those who wait for a process, first come first served.
struct Queue<Element: AnyObject> {
  private var line: [Element] = []

  var isEmpty: Bool { line.isEmpty }
  var first: Element? { line.first }
  var last: Element? { line.last }

  mutating func append(_ element: Element) { line.append(element) }

  /// Puts one that was first before back to the front.
  mutating func putBack(_ element: Element) { line.insert(element, at: 0) }

  mutating func next() -> Element? { line.isEmpty ? nil : line.removeFirst() }

  /// True where it stood in line.
  mutating func remove(_ element: Element) -> Bool {
    guard let index = line.firstIndex(where: { $0 === element }) else { return false }
    line.remove(at: index)
    return true
  }
}
