// SPDX-License-Identifier: MIT
import Jansson

/// What anth2resp has to know of a request: what the response repeats, and what the client wants to see.
struct ResponsesEcho {
  let note: JSON

  /// - Parameter keeps: the response is to be kept.
  init(_ request: JSON, keeps: Bool) {
    note = JSON.object
    if request["stream"]?.bool == true { note["stream"] = JSON(true) }
    note["echo"] = Self.members(of: request, keeps: keeps)
    if (request["include"] ?? .null).elements.contains(where: { $0.equals(RequestTranslator.encryptedReasoning) }) {
      note["encrypted"] = JSON(true)
    }
  }

  /// The members that a response repeats, in the order of OpenAI's reference, with its defaults.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/object>
  private static func members(of request: JSON, keeps: Bool) -> JSON {
    func given(_ name: StaticString, or other: JSON = .null) -> JSON {
      request[name].flatMap { $0.isNull ? nil : $0 } ?? other
    }
    let made = JSON(object: [
      "background": JSON(false), "instructions": given("instructions"),
      "max_output_tokens": given("max_output_tokens"), "max_tool_calls": given("max_tool_calls"),
      "parallel_tool_calls": given("parallel_tool_calls", or: JSON(true)),
      "previous_response_id": given("previous_response_id"), "prompt_cache_key": given("prompt_cache_key"),
    ])
    if let retention = request["prompt_cache_retention"], !retention.isNull {
      made["prompt_cache_retention"] = retention
    }
    made["reasoning"] = completed(given("reasoning"), ["effort": .null, "summary": .null])
    made["safety_identifier"] = given("safety_identifier")
    // The tier that serves is none that may be asked for.
    made["service_tier"] = JSON("default")
    made["store"] = JSON(keeps)
    made["temperature"] = given("temperature", or: JSON(1.0))
    made["text"] = completed(
      given("text"), ["format": JSON(object: ["type": JSON("text")]), "verbosity": JSON("medium")])
    made["tool_choice"] = given("tool_choice", or: JSON("auto"))
    made["tools"] = given("tools", or: .array)
    made["top_logprobs"] = JSON(0)
    made["top_p"] = given("top_p", or: JSON(1.0))
    made["truncation"] = given("truncation", or: JSON("disabled"))
    made["user"] = given("user")
    made["metadata"] = given("metadata", or: .object)
    return made
  }

  /// An object with the members that it lacks.
  private static func completed(_ given: JSON, _ defaults: KeyValuePairs<StaticString, JSON>) -> JSON {
    let made = given.isObject ? given.shallowCopy() : .object
    for (name, value) in defaults where made[name].map(\.isNull) ?? true { made[name] = value }
    return made
  }

  func add(_ translator: RequestTranslator) {
    if translator.asksToReason { note["reasoning"] = JSON(true) }
    if translator.summary { note["summary"] = JSON(true) }
    if let tools = translator.toolNames.forTheAnswer { note["tools"] = tools }
  }
}
