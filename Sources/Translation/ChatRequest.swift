// SPDX-License-Identifier: MIT
import Jansson
import Records

// A request for a chat completion.
extension RequestTranslator {
  mutating func translateChat() throws(APIError) -> JSON {
    try translateModel()
    let given = field("messages")
    guard let messages = given, messages.isArray else { throw .expected("an array", at: "messages", got: given) }
    guard messages.count > 0 else { throw .invalid("messages: at least one message is required", param: "messages") }

    let maxTokens = try maxTokens()
    body["max_tokens"] = JSON(maxTokens)
    let answerSchema = try compiledFormat()
    try declareChatTools()
    var conversation = conversation()
    try conversation.take(messages)
    try finish(&conversation, maxTokens: maxTokens, answerSchema)
    try translateRest()
    passNative()
    try translateCaching()
    ledgerUnknown()
    return body
  }

  /// The declared tools, of both of OpenAI's generations.
  private mutating func declareChatTools() throws(APIError) {
    var given: [GivenTool] = []
    for name: StaticString in ["tools", "functions"] {
      guard let list = field(name) else { continue }
      guard list.isArray else { throw .expected("an array", at: "\(name)", got: list) }
      for (index, tool) in list.elements.enumerated() { given.append(GivenTool(tool, "\(name)[\(index)]")) }
    }
    try declare(given)
  }

  private mutating func translateRest() throws(APIError) {
    if let n = field("n") {
      guard let number = n.wholeNumber else { throw .expected("an integer", at: "n", got: n) }
      guard number == 1 else { throw .invalid("n: only 1 is possible here", param: "n") }
    }
    try translateStream()
    translateUser()
    translateServiceTier()
    // Claude gives no sound; the text that was asked for with it is given.
    if let modalities = field("modalities") {
      guard modalities.isArray else { throw .expected("an array", at: "modalities", got: modalities) }
      if modalities != JSON(array: [JSON("text")]) { loss.dropped("modalities") }
    }
    if field("audio") != nil { loss.dropped("audio") }
  }
}
