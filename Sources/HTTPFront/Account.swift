// SPDX-License-Identifier: MIT
import JSONText

/// What an `end` record says of an answer: for the log and the metrics.
package struct Account: Equatable {
  package struct Loss: Equatable {
    package var field: String
    package var fate: String
  }

  package var model: String?
  /// Tokens by kind, in the order of ``kinds``; nil where there was no such number.
  package var tokens: [Int?] = [nil, nil, nil, nil]
  package var loss: [Loss] = []
  /// How many losses there were beside those.
  package var moreLoss = 0
  /// The type of the error that the answer ended with, and the request's field that was at fault.
  package var error: String?
  package var errorParam: String?
  /// What is known of the limits of a login, where one pays.
  package var login: LoginGauges?

  /// The members of Anthropic's `usage`, and what the metrics call them.
  package static let kinds: [(member: StaticString, label: String)] = [
    ("input_tokens", "input"), ("output_tokens", "output"), ("cache_creation_input_tokens", "cache_creation"),
    ("cache_read_input_tokens", "cache_read"),
  ]

  package init() {}

  package init(end payload: ByteSlice) {
    Scan.members(payload) { key, value in
      if key.equals("model") {
        model = string(value)
      } else if key.equals("usage") {
        for (index, kind) in Self.kinds.enumerated() { tokens[index] = integer(Scan.member(kind.member, of: value)) }
      } else if key.equals("loss") {
        add(loss: value)
      } else if key.equals("loss_more") {
        add(moreLoss: value)
      } else if key.equals("error_param") {
        errorParam = string(value)
      } else if key.equals("login_limit") {
        login = LoginGauges(value)
      } else if key.equals("error") {
        error = string(value) ?? string(Scan.member("type", of: value)) ?? "api_error"
      }
      return true
    }
  }

  /// Takes an array of `{"field","fate"}`.
  package mutating func add(loss array: ByteSlice) {
    guard array.count > 1, array[0] == UInt8(ascii: "[") else { return }
    var at = Scan.skipSpace(array, 1)
    while at < array.count, loss.count < FrontLimits.maxLabels, let end = Scan.endOfValue(array, at) {
      let item = array.cut(at, end)
      if let field = string(Scan.member("field", of: item)) {
        loss.append(Loss(field: field, fate: string(Scan.member("fate", of: item)) ?? "dropped"))
      }
      at = Scan.skipSpace(array, end)
      guard at < array.count, array[at] == UInt8(ascii: ",") else { return }
      at = Scan.skipSpace(array, at + 1)
    }
  }

  /// Takes the number of further losses.
  package mutating func add(moreLoss number: ByteSlice) { moreLoss += max(integer(number) ?? 0, 0) }

  /// The losses as the log has them.
  var lossTexts: [String] {
    loss.map { $0.field + " " + $0.fate } + (moreLoss > 0 ? ["and \(moreLoss) more"] : [])
  }

  /// What was found out before the answer ended, put together with what its `end` said.
  package func merged(with end: Account) -> Account {
    var whole = end
    whole.loss = loss + end.loss
    whole.moreLoss = moreLoss + end.moreLoss
    return whole
  }
}
