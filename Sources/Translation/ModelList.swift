// SPDX-License-Identifier: MIT
import Jansson

/// Model lists that both vendors' clients read: Anthropic's with OpenAI's members added, and those of coding agents.
///
/// - SeeAlso: <https://platform.openai.com/docs/api-reference/models/list>,
///   <https://docs.anthropic.com/en/api/models-list>
enum ModelList {
  static func list(_ list: JSON) -> JSON {
    let made = JSON(object: [
      "object": JSON("list"), "data": JSON(array: list["data"]?.elements.map(entry) ?? []),
    ])
    for (name, value) in list.members where name != "data" && name != "object" { made[name] = value }
    made["models"] = ModelCatalog.models(of: list)
    return made
  }

  static func entry(_ model: JSON) -> JSON {
    let made = JSON(object: [
      "id": model["id"] ?? JSON(""), "object": JSON("model"),
      "created": JSON(model["created_at"]?.string.flatMap(seconds) ?? 0), "owned_by": JSON("anthropic"),
    ])
    for (name, value) in model.members where made[name] == nil { made[name] = value }
    return made
  }

  /// Seconds since the epoch of an RFC 3339 time; its zone is taken for UTC, which the API writes.
  static func seconds(_ time: String) -> Int? {
    let numbers = time.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
    guard numbers.count >= 6, (1...9999).contains(numbers[0]), (1...12).contains(numbers[1]),
      (1...31).contains(numbers[2]), (0...23).contains(numbers[3]), (0...59).contains(numbers[4]),
      (0...60).contains(numbers[5])
    else { return nil }
    // Days from the civil calendar, with years that begin in March so that the leap day is a year's last.
    let year = numbers[1] <= 2 ? numbers[0] - 1 : numbers[0]
    let dayOfYear = (153 * (numbers[1] + (numbers[1] > 2 ? -3 : 9)) + 2) / 5 + numbers[2] - 1
    let era = year / 400
    let yearOfEra = year - era * 400
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    return days * 86_400 + numbers[3] * 3_600 + numbers[4] * 60 + numbers[5]
  }
}
