// SPDX-License-Identifier: MIT
import Jansson
import Models

/// The member `models` of a model list: what coding agents read of each model before they use it.
///
/// It has every member that the parser of OpenAI's Codex requires, and more by the names that it and others use.
///
/// - SeeAlso: <https://github.com/openai/codex/blob/main/codex-rs/protocol/src/openai_models.rs>
enum ModelCatalog {
  static func models(of list: JSON) -> JSON {
    JSON(array: (list["data"]?.elements.map { $0 } ?? []).enumerated().map { model($1, priority: $0) })
  }

  private static func model(_ entry: JSON, priority: Int) -> JSON {
    let id = entry["id"] ?? JSON("")
    let known = id.string.flatMap { ModelTable.known.capabilities(of: $0) }
    let context = entry["max_input_tokens"]?.integer ?? known?.context
    let output = entry["max_tokens"]?.integer ?? known?.output
    let levels = levels(entry, known)
    let name = entry["display_name"].flatMap { $0.isString ? $0 : nil } ?? id
    return JSON(object: [
      "slug": id, "display_name": name, "description": .null, "visibility": JSON("list"),
      "supported_in_api": JSON(true), "priority": JSON(priority), "upgrade": .null, "availability_nux": .null,
      "context_window": context.map { JSON($0) } ?? .null, "max_context_window": context.map { JSON($0) } ?? .null,
      "max_output_tokens": output.map { JSON($0) } ?? .null, "auto_compact_token_limit": .null,
      "effective_context_window_percent": JSON(95),
      "truncation_policy": JSON(object: ["mode": JSON("tokens"), "limit": JSON(10_000)]),
      "default_reasoning_level": JSON("medium"),
      "supported_reasoning_levels": JSON(
        array: levels.map { JSON(object: ["effort": JSON($0), "description": JSON(description(of: $0))]) }),
      "supports_reasoning_summaries": JSON(true), "supports_reasoning_summary_parameter": JSON(true),
      "default_reasoning_summary": JSON("auto"), "support_verbosity": JSON(false), "default_verbosity": .null,
      "input_modalities": JSON(array: [JSON("text"), JSON("image")]), "supports_parallel_tool_calls": JSON(true),
      "supports_image_detail_original": JSON(false), "supports_search_tool": JSON(false),
      "shell_type": JSON("shell_command"), "apply_patch_tool_type": JSON("freeform"),
      "web_search_tool_type": JSON("text"), "experimental_supported_tools": .array,
      "additional_speed_tiers": .array, "service_tiers": .array, "base_instructions": JSON(instructions),
    ])
  }

  /// The efforts that a model takes. Older ones take a budget of tokens, of which the request side knows three sizes.
  private static func levels(_ entry: JSON, _ known: ModelTable.Capabilities?) -> [String] {
    let all = ["low", "medium", "high", "xhigh", "max"]
    if let effort = entry["capabilities"]?["effort"], effort.isObject {
      let told = all.filter { effort[$0]?["supported"]?.bool == true }
      if !told.isEmpty { return told }
    }
    guard let effort = known?.effort, !effort.isEmpty else { return Array(all.prefix(3)) }
    return effort
  }

  private static func description(of level: String) -> String {
    switch level {
    case "low": "Quick answers with little thinking"
    case "medium": "A balance of speed and depth"
    case "high": "More thinking for hard problems"
    case "xhigh": "Much thinking for very hard problems"
    default: "As much thinking as the model can do"
    }
  }

  /// What a client tells the model about its work where it has no text of its own.
  private static let instructions = """
    You are a coding agent in the user's terminal. You work on the files of the current folder with the tools that you \
    are given. Read before you change something, change no more than the task needs, check your work, and say briefly \
    what you did. Ask before you do what cannot be undone.
    """
}
