// SPDX-License-Identifier: MIT
import JSONText

/// What a request is for.
package enum Operation: String, Sendable, CaseIterable {
  case messages
  case countTokens = "count_tokens"
  case models
  case model
  case health

  /// The operation that a ctx names; a request that names none asks for a message.
  package init(of ctx: ByteSlice?) {
    let name = ctx.flatMap { Scan.plainString(Scan.member("op", of: $0)) }
    self = name.flatMap { Operation(rawValue: $0.text) } ?? .messages
  }
}

/// Whose API the client speaks.
package enum Dialect: String, Sendable, CaseIterable {
  case openai, anthropic
  /// To be found out by oai2anth from the body and the headers.
  case auto

  /// The dialect that a ctx names, if any.
  package init?(of ctx: ByteSlice?) {
    guard let ctx, let name = Scan.plainString(Scan.member("dialect", of: ctx)) else { return nil }
    if name.equals("anthropic") {
      self = .anthropic
    } else if name.equals("openai") {
      self = .openai
    } else if name.equals("auto") {
      self = .auto
    } else {
      return nil
    }
  }

  /// Whether a ctx names a dialect that isn't one of these: whose it is translates it.
  package static func isForeign(_ ctx: ByteSlice?) -> Bool {
    guard let ctx, let name = Scan.member("dialect", of: ctx), !name.equals("null") else { return false }
    return Dialect(of: ctx) == nil
  }
}

extension Bytes {
  /// Appends an object, such as a ctx, with one member set; the others stay as the bytes they are.
  package mutating func append(
    object: ByteSlice?, setting name: StaticString, to value: (inout Bytes) -> Void
  ) {
    append("{")
    if let object {
      Scan.members(object) { key, member in
        guard !key.equals(name) else { return true }
        append("\"")
        append(key)
        append("\":")
        append(member)
        append(",")
        return true
      }
    }
    append("\"")
    append(name)
    append("\":")
    value(&self)
    append("}")
  }
}
