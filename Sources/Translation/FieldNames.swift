// SPDX-License-Identifier: MIT
import Jansson

/// What one of OpenAI's APIs calls the fields that both of them have, as errors and losses name them.
///
/// The chat completions and the responses are translated by the same rules. Where their words differ, they are here.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/chat/create>,
///   <https://platform.openai.com/docs/api-reference/responses/create>
struct FieldNames: Sendable {
  /// The conversation.
  let turns: String
  let role: String
  let content: String
  /// The id of a call, where it is called and where its result stands.
  let callID: String
  let resultID: String
  /// A call that has no result.
  let call: String
  let arguments: String
  /// What brings signed thinking back.
  let thinking: String
  /// The limits of the answer's length, the one that counts first.
  let limits: [String]
  let effort: String
  /// The form of the answer.
  let format: String
  /// The format is an object with the schema in it, not one with another object around the schema.
  let formatIsFlat: Bool
  /// A stream's usage is told only if asked for.
  let hasUsageOption: Bool
  /// `context_management` is a field of OpenAI's too.
  let ownsContextManagement: Bool
  /// There are tools that OpenAI's own servers run, and tools that its models know by themselves.
  let hasHostedTools: Bool
  /// Anthropic's own members of a tool, which its SDK's users know.
  let nativeOfTools: [String]
  /// Members of a tool that have no counterpart.
  let droppedOfTools: [String: Neutral]
  /// The same of `prompt_cache_options`.
  let droppedOfCaching: [String: Neutral]
  /// What types of tools there are, for the person who wrote another.
  let tools: String
  /// What content parts there are, for the person who wrote another.
  let parts: String
  /// Fields that are translated.
  let handled: Set<String>
  /// Fields without a counterpart, each with the value that asks for nothing.
  let withoutCounterpart: [String: Neutral]

  /// A value that asks for nothing, so that leaving it out is exact.
  enum Neutral {
    case none, isFalse, zero, emptyObject, onlyDirect

    func includes(_ value: JSON) -> Bool {
      switch self {
      case .none: false
      case .isFalse: value.bool == false
      case .zero: value.number == 0
      case .emptyObject: value.isObject && value.count == 0
      case .onlyDirect: value == JSON(array: [JSON("direct")])
      }
    }
  }

  /// Whether a field of Anthropic's name is OpenAI's here.
  func isOwn(_ name: String, _ value: JSON) -> Bool {
    // OpenAI's is a list, Anthropic's an object.
    name == "context_management" && ownsContextManagement && !value.isObject
  }

  /// Anthropic's own fields, which clients of OpenAI's SDKs send by `extra_body`.
  static let native: Set<String> = [
    "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
    "fallback_credit_token", "fallbacks", "inference_geo", "mcp_servers", "speed", "thread", "user_profile_id",
    "workspace_id",
  ]

  static let chat = FieldNames(
    turns: "messages", role: "messages.role", content: "messages.content", callID: "messages.tool_calls.id",
    resultID: "messages.tool_call_id", call: "messages.tool_calls", arguments: "messages.tool_calls.function.arguments",
    thinking: "messages.thinking_blocks", limits: ["max_completion_tokens", "max_tokens"],
    effort: "reasoning_effort", format: "response_format", formatIsFlat: false, hasUsageOption: true,
    ownsContextManagement: false,
    hasHostedTools: false,
    nativeOfTools: ["allowed_callers", "defer_loading", "eager_input_streaming", "input_examples"], droppedOfTools: [:],
    droppedOfCaching: [:],
    tools: "function, custom", parts: "text, image_url, file or refusal",
    handled: [
      "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "n", "stream",
      "stream_options", "user", "safety_identifier", "reasoning_effort", "response_format", "service_tier", "tools",
      "tool_choice", "parallel_tool_calls", "functions", "function_call", "metadata", "modalities", "audio", "system",
      "thinking", "output_config", "top_k", "stop_sequences", "prompt_cache_options",
    ],
    withoutCounterpart: [
      "seed": .none, "logprobs": .isFalse, "top_logprobs": .zero, "logit_bias": .emptyObject,
      "frequency_penalty": .zero, "presence_penalty": .zero, "prediction": .none, "store": .isFalse,
      "verbosity": .none, "moderation": .none, "prompt_cache_key": .none, "prompt_cache_retention": .none,
      "web_search_options": .none,
    ])

  static let responses = FieldNames(
    turns: "input", role: "input.role", content: "input.content", callID: "input.call_id", resultID: "input.call_id",
    call: "input", arguments: "input.arguments", thinking: "input.encrypted_content", limits: ["max_output_tokens"],
    effort: "reasoning.effort", format: "text.format", formatIsFlat: true, hasUsageOption: false,
    ownsContextManagement: true,
    hasHostedTools: true, nativeOfTools: ["eager_input_streaming", "input_examples"],
    droppedOfTools: [
      "allowed_callers": .onlyDirect, "async": .isFalse, "defer_loading": .isFalse, "output_schema": .none,
    ],
    droppedOfCaching: ["comparison_response_id": .none, "prewarm": .isFalse],
    tools: "function, custom, namespace, web_search, local_shell, shell, apply_patch",
    parts: "input_text, output_text, input_image, input_file or refusal",
    handled: [
      "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream", "stream_options", "user",
      "safety_identifier", "reasoning", "text", "service_tier", "tools", "tool_choice", "parallel_tool_calls",
      "metadata", "include", "store", "truncation", "prompt", "background", "conversation", "previous_response_id",
      "max_tool_calls", "system", "thinking", "output_config", "top_k", "stop", "stop_sequences",
      "prompt_cache_options",
    ],
    withoutCounterpart: [
      "top_logprobs": .zero, "moderation": .none, "prompt_cache_key": .none, "prompt_cache_retention": .none,
      "access_programs": .none, "background_options": .none, "context_management": .none, "image": .none,
      "personality": .none,
    ])
}
