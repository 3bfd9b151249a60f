// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Hands lines to a backend, by the run loop that all filters share.
struct BackendTaker: RecordFilter {
  static var side: Side { .request }
  let backend: any Backend
  let port: Port
  private var lastIsBare = false

  init(backend: any Backend, port: Port) {
    self.backend = backend
    self.port = port
  }

  /// Bare answers bear no name, so one comes after another.
  var isReady: Bool { !lastIsBare || backend.inFlight == 0 }

  mutating func take(_ line: Line, to out: inout Output) throws(APIError) {
    lastIsBare = line.isBare
    // What the backend said before stands before what this line gives: a cancel stays after its request.
    passOn(to: &out)
    defer { passOn(to: &out) }
    switch line.kind {
    case .request:
      do throws(APIError) {
        try Self.checkOperation(of: line)
        try backend.take(line)
      } catch {
        guard backend.declining.covers(error.status) else { throw error }
        out.handOn(line.bytes, of: line.id, status: error.status)
      }
    case .cancel:
      // What was handed on is the next backend's to cancel; else it is nobody's.
      if !backend.cancel(line.id), backend.declining.isOn { out.forward(line) }
    default: out.forward(line)
    }
  }

  /// - Throws: 404 for an operation that a stage before the backend should have answered.
  private static func checkOperation(of line: Line) throws(APIError) {
    guard case .other(let name) = Operation(of: line.ctx) else { return }
    throw APIError(
      status: 404,
      "no stage of the pipeline answers the operation \(name.clipped). Add the stage that does before the backend.")
  }

  private func passOn(to out: inout Output) {
    out.bytes.append(port.output.bytes.slice)
    out.notes += port.output.notes
    port.output.bytes.removeAll()
    port.output.notes.removeAll()
  }
}
