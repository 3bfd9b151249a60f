// SPDX-License-Identifier: MIT
import JSONText
import NIOHTTP1
import Records

/// Writes requests as records.
package enum RequestRecord {
  /// The headers that later stages may see; `x-stainless-…` are what the vendors' SDKs say of themselves.
  ///
  /// Never one that holds a secret: of those a record says only that there was one.
  private static let allowed: Set<String> = [
    "accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta", "user-agent",
  ]

  /// The record up to where the body stands.
  ///
  /// - Returns: where its time stands.
  @discardableResult
  package static func head(
    _ rid: RID, _ head: HTTPRequestHead, target: RequestTarget, route: Route, dialect: Dialect, id: String?,
    peer: String, key: String? = nil, time: Int, into record: inout Bytes
  ) -> Int {
    record.append(#"{"rid":""#)
    record.append(text: rid.text)
    record.append(#"","ctx":{"op":""#)
    record.append(text: route.op.rawValue)
    record.append(#"","dialect":""#)
    record.append(text: dialect.rawValue)
    record.append("\"")
    if let id {
      record.append(#","id":"#)
      record.append(quoted: id)
      if route.op == .model {
        record.append(#","model_id":"#)
        record.append(quoted: id)
      }
    }
    record.append(#","http":{"method":"#)
    record.append(quoted: head.method.rawValue)
    record.append(#","path":"#)
    record.append(quoted: target.path)
    if let query = target.query {
      record.append(#","query":"#)
      record.append(quoted: query)
    }
    record.append(#","headers":"#)
    record.append(headers: headers(of: head))
    if let key = keyKind(of: head.headers) {
      record.append(#","auth":"#)
      record.append(quoted: key)
    }
    if let key {
      record.append(#","key":"#)
      record.append(quoted: key)
    }
    record.append(#","peer":"#)
    record.append(quoted: peer)
    record.append(#","time":"#)
    let timeAt = record.count
    record.append(decimal: time)
    record.append(#"}},"request":"#)
    return timeAt
  }

  /// A record that ends a request's work.
  package static func cancel(_ rid: RID, into record: inout Bytes) {
    record.append(#"{"rid":""#)
    record.append(text: rid.text)
    record.append(#"","cancel":true}"#)
    record.append("\n")
  }

  private static func headers(of head: HTTPRequestHead) -> [(name: String, value: String)] {
    var taken: [(name: String, value: String)] = []
    for (name, value) in head.headers {
      let name = name.lowercased()
      guard allowed.contains(name) || name.hasPrefix("x-stainless-") else { continue }
      if let known = taken.firstIndex(where: { $0.name == name }) {
        taken[known].value = clipped(taken[known].value + ", " + value, to: FrontLimits.maxHeaderValue)
      } else {
        taken.append((name, clipped(value, to: FrontLimits.maxHeaderValue)))
      }
    }
    return taken
  }

  /// What kind of key the client sent, for telling whose client it is.
  ///
  /// Some clients of OpenAI send the header without a token in it where they have no key; that tells them too.
  private static func keyKind(of headers: HTTPHeaders) -> String? {
    if headers.contains(name: "x-api-key") { return "x-api-key" }
    let values = headers["authorization"].map(trimmed)
    guard !values.isEmpty else { return nil }
    if values.contains(where: { $0.prefix(7).lowercased() == "bearer " }) { return "bearer" }
    return values.allSatisfy { $0.isEmpty || $0.lowercased() == "bearer" } ? "empty" : nil
  }
}
