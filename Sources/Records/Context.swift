// SPDX-License-Identifier: MIT
import JSONText

/// What a request is for.
///
/// A pipeline may have operations of its own: a route names them, and a stage answers them.
package enum Operation: Hashable, Sendable, RawRepresentable {
  case messages, countTokens, models, model, health
  /// An operation that the backends do not know. A stage before them answers it.
  case other(String)

  package init(rawValue: String) {
    switch rawValue {
    case "messages": self = .messages
    case "count_tokens": self = .countTokens
    case "models": self = .models
    case "model": self = .model
    case "health": self = .health
    default: self = .other(rawValue)
    }
  }

  package var rawValue: String {
    switch self {
    case .messages: "messages"
    case .countTokens: "count_tokens"
    case .models: "models"
    case .model: "model"
    case .health: "health"
    case .other(let name): name
    }
  }

  /// The operation that a ctx names; a request that names none asks for a message.
  package init(of ctx: ByteSlice?) {
    let name = ctx.flatMap { Scan.plainString(Scan.member("op", of: $0)) }
    self = name.map { Operation(rawValue: $0.text) } ?? .messages
  }
}

/// The name of the API that the client speaks. A translator passes on records of a dialect that it does not know.
package struct Dialect: RawRepresentable, Hashable, Sendable {
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  /// OpenAI's chat completions.
  package static let openai = Dialect(rawValue: "openai")
  /// Anthropic's messages.
  package static let anthropic = Dialect(rawValue: "anthropic")
  /// OpenAI's responses.
  package static let responses = Dialect(rawValue: "responses")
  /// To be found out by oai2anth from the body and the headers.
  package static let auto = Dialect(rawValue: "auto")

  /// The dialect that a ctx names, if any.
  package init?(of ctx: ByteSlice?) {
    guard let ctx, let value = Scan.member("dialect", of: ctx), !value.equals("null") else { return nil }
    // A value that is not a plain string is the name of no dialect.
    self.init(rawValue: Scan.plainString(value)?.text ?? "")
  }
}

extension Bytes {
  /// Appends an object, such as a ctx, with one member set and, if told, without another one. The rest stays as the bytes
  /// that came.
  package mutating func append(
    object: ByteSlice?, setting name: StaticString, without other: StaticString? = nil,
    to value: (inout Bytes) -> Void
  ) {
    append("{")
    if let object {
      Scan.members(object) { key, member in
        if key.equals(name) { return true }
        if let other, key.equals(other) { return true }
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
