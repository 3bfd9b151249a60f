// SPDX-License-Identifier: MIT
import Jansson

/// Calls of the tools that OpenAI has a form for and the client runs.
///
/// - SeeAlso: <https://platform.openai.com/docs/guides/tools-local-shell>,
///   <https://platform.openai.com/docs/guides/tools-apply-patch>
enum LocalCall {
  /// What the item of a call says is to be done; nil where the input lacks a part of it.
  static func action(of type: String, _ input: JSON) -> JSON? {
    switch type {
    case "local_shell_call":
      let action = input["action"] ?? input
      guard let command = action["command"], isStrings(command) else { return nil }
      let made = JSON(object: ["type": JSON("exec"), "command": command, "env": .object])
      if let env = action["env"], env.isObject { made["env"] = env }
      copy(["timeout_ms", "user", "working_directory"], of: action, to: made)
      return made
    case "shell_call":
      let action = input["action"] ?? input
      guard let commands = action["commands"], isStrings(commands) else { return nil }
      let made = JSON(object: ["commands": commands])
      copy(["timeout_ms", "max_output_length"], of: action, to: made)
      return made
    default:
      let operation = input["operation"] ?? input
      guard let type = operation["type"]?.string, operations.contains(type), operation["path"]?.isString == true
      else { return nil }
      guard type == "delete_file" || operation["diff"]?.isString == true else { return nil }
      let made = JSON(object: ["type": JSON(type), "path": operation["path"]])
      if type != "delete_file" { made["diff"] = operation["diff"] }
      return made
    }
  }

  private static let operations: Set<String> = ["create_file", "update_file", "delete_file"]

  /// What a call is shown with that must be shown before all of its input is there.
  static func start(of type: String) -> JSON {
    switch type {
    case "local_shell_call": JSON(object: ["type": JSON("exec"), "command": .array, "env": .object])
    case "shell_call": JSON(object: ["commands": .array])
    default: JSON(object: ["type": JSON("update_file"), "path": JSON(""), "diff": JSON("")])
    }
  }

  private static func isStrings(_ value: JSON) -> Bool { value.isArray && value.elements.allSatisfy(\.isString) }

  private static func copy(_ names: [String], of action: JSON, to made: JSON) {
    for name in names { if let value = action[name], !value.isNull { made[name] = value } }
  }
}
