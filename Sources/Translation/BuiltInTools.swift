// SPDX-License-Identifier: MIT
import Jansson
import Records

/// The tools that OpenAI's models know by themselves, and that the client runs.
///
/// Here each is a tool like any other, whose input has the fields of the item that the client expects.
///
/// - SeeAlso: <https://platform.openai.com/docs/guides/tools-local-shell>,
///   <https://platform.openai.com/docs/guides/tools-shell>, <https://platform.openai.com/docs/guides/tools-apply-patch>
enum BuiltInTool: String {
  case localShell = "local_shell"
  case shell
  case applyPatch = "apply_patch"

  /// The type of a call of it, as an item of the conversation.
  var item: String { rawValue + "_call" }

  /// The member of a call that becomes the tool's input.
  var member: StaticString { self == .applyPatch ? "operation" : "action" }

  var description: String {
    switch self {
    case .localShell: "Runs a command on the user's computer, and returns what it prints."
    case .shell: "Runs commands in a shell, and returns what each of them prints and how it ended."
    case .applyPatch: "Creates, changes or deletes one file."
    }
  }

  var schema: JSON {
    switch self {
    case .localShell:
      Self.object(
        [
          "command": Self.strings("The program and its arguments."), "env": Self.environment,
          "working_directory": Self.string("Where to run it."), "user": Self.string("The user to run it as."),
          "timeout_ms": Self.integer("After how many milliseconds to stop it."),
        ], required: ["command"])
    case .shell:
      Self.object(
        [
          "commands": Self.strings("The commands, each as one line for the shell."),
          "timeout_ms": Self.integer("After how many milliseconds to stop them."),
          "max_output_length": Self.integer("How many characters of the output to return at most."),
        ], required: ["commands"])
    case .applyPatch:
      Self.object(
        [
          "type": JSON(object: [
            "type": JSON("string"),
            "enum": JSON(array: [JSON("create_file"), JSON("update_file"), JSON("delete_file")]),
          ]), "path": Self.string("The path of the file."),
          "diff": Self.string(
            "The change as a V4A diff: lines that begin with +, - or a space, after lines that begin with @@. "
              + "A new file has lines with + alone. Not for delete_file."),
        ], required: ["type", "path"])
    }
  }

  private static func object(_ properties: KeyValuePairs<StaticString, JSON?>, required: [String]) -> JSON {
    JSON(object: [
      "type": JSON("object"), "properties": JSON(object: properties),
      "required": JSON(array: required.map { JSON($0) }),
    ])
  }

  private static func string(_ words: String) -> JSON {
    JSON(object: ["type": JSON("string"), "description": JSON(words)])
  }

  private static func integer(_ words: String) -> JSON {
    JSON(object: ["type": JSON("integer"), "description": JSON(words)])
  }

  private static func strings(_ words: String) -> JSON {
    JSON(object: [
      "type": JSON("array"), "items": JSON(object: ["type": JSON("string")]), "description": JSON(words),
    ])
  }

  private static var environment: JSON {
    JSON(object: [
      "type": JSON("object"), "additionalProperties": JSON(object: ["type": JSON("string")]),
      "description": JSON("Environment variables."),
    ])
  }
}

/// Tools that OpenAI runs, or whose form only OpenAI's models know.
enum HostedTools {
  /// The types that have no counterpart.
  static let unsupported: Set<String> = [
    "code_interpreter", "image_generation", "file_search", "computer", "computer_use", "computer_use_preview", "mcp",
    "tool_search", "programmatic_tool_calling",
  ]

  /// The type without its date or its state; nil for one that is no hosted tool.
  static func kind(of type: String) -> String? {
    if type == "web_search" || type.hasPrefix("web_search_preview") || type == "web_search_2025_08_26" {
      return "web_search"
    }
    return BuiltInTool(rawValue: type) != nil || unsupported.contains(type) ? type : nil
  }
}
