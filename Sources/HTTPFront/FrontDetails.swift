// SPDX-License-Identifier: MIT
import JSONText
import NIOCore

/// The front's own parts of `/health/detailed`.
extension Front {
  func append(components body: inout Bytes) {
    body.append(#""api_server":{"status":"healthy","uptime":"#)
    body.append(decimal: Int((NIODeadline.now() - startedAt).nanoseconds / 1_000_000_000))
    if let place = places.first {
      body.append(#","host":"#)
      body.append(quoted: place.host)
      body.append(#","port":"#)
      if let port = place.port { body.append(decimal: port) } else { body.append("null") }
    }
    body.append(#","requests_processed":"#)
    body.append(decimal: metrics.answered)
    body.append(#","errors":"#)
    body.append(decimal: metrics.failed)
    body.append(#"},"authentication":{"required":"#)
    body.append(tokens.isEmpty ? "false" : "true")
    body.append(#","tokens":"#)
    body.append(decimal: tokens.count)
    body.append(#"},"pipelines":{"state":"#)
    body.append(quoted: supervisor.stateText)
    body.append(#","restarts":"#)
    body.append(decimal: metrics.restarts)
    body.append(#","in_flight":"#)
    body.append(decimal: inFlight)
    append(stages: &body)
    body.append("}")
  }

  /// How many pipelines there are, the stages of each, and how many processes run these.
  private func append(stages body: inout Bytes) {
    guard let commands = settings.pipeline else { return }
    body.append(#","count":"#)
    body.append(decimal: settings.pipelines)
    body.append(#","processes":"#)
    body.append(decimal: commands.count)
    body.append(#","stages":["#)
    for (index, program) in StageGroup.all(of: commands).flatMap(\.programs).enumerated() {
      if index > 0 { body.append(",") }
      body.append(quoted: program)
    }
    body.append("]")
  }

  /// What bounds a request, in bytes and seconds.
  func append(configuration body: inout Bytes) {
    body.append(#","configuration":{"#)
    let numbers: [(name: StaticString, value: Int)] = [
      ("max_body", settings.maxBody), ("max_nodes", settings.maxNodes), ("max_header", settings.maxHeader),
      ("max_in_flight", settings.maxInFlight), ("max_connections", mostConnections),
      ("max_connections_per_address", settings.maxConnectionsPerAddress),
      ("request_timeout", Self.seconds(settings.requestTimeout)), ("grace_period", Self.seconds(settings.grace)),
      ("header_timeout", Self.seconds(settings.headerTimeout)), ("body_timeout", Self.seconds(settings.bodyTimeout)),
      ("keep_alive_timeout", Self.seconds(settings.idleTimeout)),
    ]
    for (index, number) in numbers.enumerated() {
      body.append(index == 0 ? "\"" : ",\"")
      body.append(number.name)
      body.append("\":")
      body.append(decimal: number.value)
    }
    body.append("}")
  }

  private static func seconds(_ time: TimeAmount) -> Int { Int(time.nanoseconds / 1_000_000_000) }
}

extension Bytes {
  /// The members of an object but for some, each with a comma after it.
  mutating func append(members object: ByteSlice, but left: [StaticString] = []) {
    Scan.members(object) { key, value in
      if left.contains(where: { key.equals($0) }) { return true }
      append("\"")
      append(key)
      append("\":")
      append(value)
      append(",")
      return true
    }
  }
}
