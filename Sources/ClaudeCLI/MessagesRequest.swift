// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records

/// A Messages request, looked at as far as it must be to be carried; the rest is the upstream's to judge.
package struct MessagesRequest {
  /// The body's own bytes, which can't be copied without saying so.
  private final class Text {
    let bytes: Bytes
    init(_ slice: ByteSlice) {
      var bytes = Bytes(capacity: slice.count)
      bytes.append(slice)
      self.bytes = bytes
    }
  }

  package let body: JSON
  private let payload: ByteSlice
  /// What keeps the payload; nil where the caller does.
  private let kept: Text?
  /// Of its body, in bytes.
  var size: Int { payload.count }
  package let model: ModelName
  package let wantsStream: Bool
  /// Beta features that the client named in its headers.
  package let betas: [String]
  /// It asks how many tokens it has, not for an answer.
  package let isCount: Bool
  /// What can't be carried whatever the carrier.
  package let losses: [Loss]
  /// Whose request it is: the name of the key that it came with.
  package let caller: String?

  /// - Parameter lends: the payload outlives the request, which then holds no copy of it, nor of its long strings.
  /// - Throws: the API's own answer to a body that lacks what every request must have.
  package init(payload: ByteSlice, ctx: ByteSlice?, isCount: Bool = false, lends: Bool = false) throws(APIError) {
    let body: JSON
    do throws(JSONError) {
      body = try JSON.parse(payload, lends: lends)
    } catch {
      throw APIError(body: error)
    }
    guard body.isObject else { throw .invalid("the body must be a JSON object") }
    // It holds what is new in a conversation that the API has kept. The vendor's SDK then sends the whole. The API takes
    // null for none.
    guard body["thread"]?.isNull != false else {
      throw APIError(
        status: 400, "thread: message threads are not supported with the Claude CLI; send the whole conversation",
        param: "thread", details: #"{"error_code":"thread_unsupported_request"}"#)
    }
    guard let model = body["model"] else { throw Self.required("model") }
    guard let name = model.string else { throw Self.wrong("model", "Input should be a valid string") }
    guard let messages = body["messages"] else { throw Self.required("messages") }
    guard messages.isArray else { throw Self.wrong("messages", "Input should be a valid list") }
    guard messages.count > 0 else { throw Self.wrong("messages", "at least one message is required") }
    for (index, message) in messages.elements.enumerated() { try Self.check(message, index) }
    if !isCount {
      guard let maximum = body["max_tokens"] else { throw Self.required("max_tokens") }
      guard maximum.number != nil else { throw Self.wrong("max_tokens", "Input should be a valid integer") }
    }
    if let system = body["system"], !system.isNull, !system.isString, !system.isArray {
      throw Self.wrong("system", "Input should be a valid string or list")
    }
    let stream = body["stream"]
    guard stream == nil || stream?.isNull == true || stream?.bool != nil else {
      throw Self.wrong("stream", "Input should be a valid boolean")
    }
    guard let model = ModelName(name) else { throw APIError(status: 404, "model: no such model", param: "model") }
    self.isCount = isCount
    self.body = body
    let kept = lends ? nil : Text(payload)
    self.kept = kept
    self.payload = kept?.bytes.slice ?? payload
    self.model = model
    wantsStream = stream?.bool ?? false

    var losses: [Loss] = []
    wantsCaching = ctx.flatMap { Scan.plainString(Scan.member("cache", of: $0)) }?.equals("auto") == true
    let http = ctx.flatMap { Scan.member("http", of: $0) }
    caller = http.flatMap { Scan.plainString(Scan.member("key", of: $0)) }?.text
    let header = http.flatMap { Scan.member("headers", of: $0) }
      .flatMap { Scan.plainString(Scan.member("anthropic-beta", of: $0)) }
    (betas, _) = ChildEnvironment.betas(of: header?.text ?? "")
    if let header, ChildEnvironment.betas(of: header.text).refused {
      losses.append(Loss("anthropic-beta", "dropped what is no name"))
    }
    if body["output_config"]?["effort"]?.isNull == false,
      Contract.withoutEffort.contains(where: { name.hasPrefix($0) })
    {
      losses.append(Loss("output_config.effort", "dropped"))
    }
    self.losses = losses
  }

  private static func check(_ message: JSON, _ index: Int) throws(APIError) {
    guard message.isObject else { throw wrong("messages.\(index)", "Input should be a valid object") }
    guard let role = message["role"] else { throw required("messages.\(index).role") }
    guard role.equals("user") || role.equals("assistant") || role.equals("system") else {
      throw wrong("messages.\(index).role", "Input should be 'user' or 'assistant'")
    }
    guard let content = message["content"] else { throw required("messages.\(index).content") }
    guard content.isString || content.isArray else {
      throw wrong("messages.\(index).content", "Input should be a valid string or list")
    }
  }

  private static func required(_ field: String) -> APIError { wrong(field, "Field required") }

  static func wrong(_ field: String, _ what: String) -> APIError {
    .invalid("\(field): \(what)", param: field)
  }

  /// Calls `each` with the name and the bytes of each member of the body, as the client wrote them.
  package func members(_ each: (_ key: String, _ value: ByteSlice) -> Void) {
    Scan.members(payload) { key, value in
      var plain = Bytes()
      // A name may be written with escapes, and must be known all the same.
      each(plain.append(unescaped: key) ? plain.text : key.text, value)
      return true
    }
  }

  /// Whether it names `top_p` and no `temperature`, of a model for which the CLI would add one.
  ///
  /// Such models refuse both together.
  package var needsNoTemperature: Bool {
    func isGiven(_ key: StaticString) -> Bool { body[key].map { !$0.isNull } ?? false }
    return isGiven("top_p") && !isGiven("temperature")
      && Contract.withTemperature.contains { model.text.hasPrefix($0) }
  }

  /// Whether the variable ``Contract/noThinking`` must be left out: at 0 the CLI adds a temperature for some models, and
  /// lowers the effort of others.
  package var omitsThinking: Bool {
    needsNoTemperature || Contract.thinksByDefault(model.text) && body["output_config"]?["effort"] != nil
  }

  /// What says of thinking what the API's default is, where the CLI would say something else.
  package var thinkingByDefault: StaticString? {
    guard body["thinking"] == nil else { return nil }
    if Contract.thinksByDefault(model.text) { return #"{"type":"adaptive"}"# }
    return needsNoTemperature ? #"{"type":"disabled"}"# : nil
  }

  /// What of it bears on what the CLI does when the API refuses it.
  package var traits: Answer.Traits {
    var traits = Answer.Traits()
    func look(at blocks: JSON) {
      for block in blocks.elements {
        guard let type = block["type"] else { continue }
        if type.equals("thinking") || type.equals("redacted_thinking") {
          (traits.hasThinking, traits.mayBeCut) = (true, true)
        } else if type.equals("image") || type.equals("document") {
          traits.mayBeCut = true
        } else if type.equals("tool_result"), let content = block["content"] {
          look(at: content)
        }
      }
    }
    for message in body["messages"]!.elements { look(at: message["content"]!) }
    if body["output_config"] != nil || !betas.isEmpty { traits.mayBeCut = true }
    return traits
  }

  /// Whether an earlier stage wants the conversation cached, because the client set no cache mark.
  package let wantsCaching: Bool

  /// Whether the client marks what is to be cached, which the CLI's own marks must not disturb.
  package var hasCacheMarks: Bool {
    if let mark = body["cache_control"], !mark.isNull { return true }
    for key in ["system", "tools"] where Self.marks(body[key]) { return true }
    return body["messages"]!.elements.contains { Self.marks($0["content"]) }
  }

  private static func marks(_ blocks: JSON?) -> Bool {
    guard let blocks, blocks.isArray else { return false }
    return blocks.elements.contains { block in
      if let mark = block["cache_control"], !mark.isNull { return true }
      return block["content"].map { marks($0) } ?? false
    }
  }
}
