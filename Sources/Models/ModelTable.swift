// SPDX-License-Identifier: MIT
import Jansson
import JSONText
import Records

/// What is known of the models: their names, the successors of retired ones, what each accepts.
///
/// The facts are data (`models.json` beside this file, dated), and an owner can replace them by a file of the same
/// form. A name that nothing matches passes unchanged, with no capability assumed.
package struct ModelTable {
  /// The limit sent where a request names none, in tokens: an OpenAI client that names none expects no cut, and this
  /// is what every current model allows.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/messages#body-max-tokens>
  package static let defaultMaxTokens = 32_000

  /// What a model accepts.
  package struct Capabilities: Sendable {
    /// The longest answer, in tokens; nil where it isn't known.
    package var output: Int?
    /// Takes `temperature`, `top_p` and `top_k`.
    package var sampling = true
    /// Refuses `temperature` and `top_p` in one request.
    package var oneOfTemperatureAndTopP = false
    /// Takes a `tool_choice` that forces a tool.
    package var forcedToolChoice = true
    /// Takes `thinking: {"type":"adaptive"}`.
    package var adaptiveThinking = false
    /// What comes nearest to no thinking.
    package var leastThinking = LeastThinking.none
    /// The values of `output_config.effort` that it takes.
    package var effort: [String] = []
    /// Takes `output_config.format`, and `strict` on tools.
    package var structuredOutput = false
    /// Takes messages of role system in mid-conversation.
    package var systemTurns = false
    /// Goes on with an assistant's message at the end of a conversation.
    package var prefill = true
    /// The size of its window in tokens; nil where it isn't known.
    package var context: Int?
    /// The beta that widens the window to a million tokens, where it takes one.
    package var millionBeta: String?
  }

  /// How little a model can be told to think.
  package enum LeastThinking: String, Sendable {
    /// Not at all: `thinking: {"type":"disabled"}`.
    case none
    /// `thinking: {"type":"between_tools"}`.
    case betweenTools = "between_tools"
    /// It always thinks.
    case some
  }

  package struct Model {
    package var id: String
    package var displayName: String
    /// When it came out (RFC 3339); the epoch where that isn't known, as the vendor's API has it.
    package var createdAt: String
    /// The day of its end, where one is announced; until a new table drops it, it stays as it was asked for.
    package var end: String?
    package var capabilities: Capabilities
  }

  package private(set) var models: [Model] = []
  package private(set) var defaultModel: String
  private var places: [String: Int] = [:]
  private var names: [(pattern: [UInt8], model: String)] = []

  /// The table that is built in.
  package static func builtIn(foreignNames: Bool = true) throws(Failure) -> ModelTable {
    let text = PackageResources.models_json
    var bytes = Bytes(capacity: text.count)
    text.withUnsafeBufferPointer { bytes.append($0) }
    return try ModelTable(parsing: bytes.slice, foreignNames: foreignNames)
  }

  /// The built-in table, read once, at its first use: the start of a translator does not need it.
  package static let known: ModelTable = {
    do throws(Failure) { return try builtIn() } catch { fatalError(error.message) }
  }()

  /// Reads a table of the built-in one's form.
  ///
  /// - Parameter foreignNames: whether the names of other vendors' models (`gpt-4o`) stand for Claude's.
  package init(parsing text: ByteSlice, foreignNames: Bool = true) throws(Failure) {
    let root: JSON
    do throws(JSONError) {
      // The limit of JSON values is for the bodies of requests, not for a table.
      var nodesLeft = Int.max
      root = try JSON.parse(text, nodesLeft: &nodesLeft)
    } catch {
      throw Failure(.configuration, "the model table is not JSON: \(error.reason) at byte \(error.offset)")
    }
    guard let defaultModel = root["default"]?.string, let models = root["models"], models.isArray else {
      throw Failure(.configuration, "the model table lacks \"default\" or \"models\"")
    }
    self.defaultModel = defaultModel
    for model in models.elements {
      guard let id = model["id"]?.string else { throw Failure(.configuration, "a model of the table has no \"id\"") }
      self.models.append(
        Model(
          id: id, displayName: model["display_name"]?.string ?? id,
          createdAt: model["created_at"]?.string ?? "1970-01-01T00:00:00Z",
          end: model["end"]?.string, capabilities: Capabilities(of: model)))
    }
    index()
    let lists: [StaticString] = foreignNames ? ["names", "foreign_names"] : ["names"]
    for list in lists {
      for entry in root[list]?.elements.map({ $0 }) ?? [] {
        // A third says when the model ended, for the reader.
        guard entry.count == 2 || entry.count == 3, let pattern = entry[0].string, let model = entry[1].string else {
          throw Failure(
            .configuration, "an entry of \"\(list)\" is not [\"PATTERN\",\"MODEL\"], with the day of its end as a third"
          )
        }
        names.append((Array(pattern.utf8), model))
      }
    }
  }

  private mutating func index() {
    places = [:]
    for (place, model) in models.enumerated() where places[model.id] == nil { places[model.id] = place }
  }

  /// What to ask for when a client asks for that name.
  package struct Resolution: Equatable {
    package var model: String
    /// The name asks for the window of a million tokens.
    package var wantsMillion = false
    /// The name asks for thinking.
    package var wantsThinking = false
    /// What else the name asks a router for, with the colon.
    package var routing: String?
  }

  /// The name to ask for when a client asks for that one: a current model's, else the first pattern's that matches.
  package func effective(_ name: String) -> String { resolve(name).model }

  /// A name that nothing matches stays, unless it is one of Claude's in another vendor's dress.
  package func resolve(_ name: String) -> Resolution {
    if places[name] != nil { return Resolution(model: name) }
    let asked = AskedModel(name)
    let found = asked.candidates.lazy.compactMap { model(named: $0) }.first
    guard let found = found ?? (asked.plain.hasPrefix("claude-") ? asked.plain : nil) else {
      return Resolution(model: name)
    }
    return Resolution(
      model: found, wantsMillion: asked.wantsMillion, wantsThinking: asked.wantsThinking, routing: asked.routing)
  }

  private func model(named name: String) -> String? {
    if places[name] != nil { return name }
    let bytes = Array(name.utf8)
    return names.first { Self.matches(bytes[...], $0.pattern[...]) }?.model
  }

  package func capabilities(of name: String) -> Capabilities {
    places[name].map { models[$0].capabilities } ?? Capabilities()
  }

  /// Whether the name is of that pattern, in which `*` stands for any text.
  private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == UInt8(ascii: "*") {
      return (name.startIndex...name.endIndex).contains { matches(name[$0...], pattern.dropFirst()) }
    }
    return name.first == first && matches(name.dropFirst(), pattern.dropFirst())
  }
}

extension ModelTable.Capabilities {
  init(of model: JSON) {
    output = model["output"]?.integer
    sampling = model["sampling"]?.bool ?? true
    oneOfTemperatureAndTopP = model["sampling"]?.equals("one") ?? false
    forcedToolChoice = model["forced_tool_choice"]?.bool ?? true
    adaptiveThinking = model["adaptive_thinking"]?.bool ?? false
    leastThinking = model["least_thinking"]?.string.flatMap(ModelTable.LeastThinking.init) ?? .none
    effort = model["effort"]?.elements.compactMap { $0.string } ?? []
    structuredOutput = model["structured_output"]?.bool ?? false
    systemTurns = model["system_turns"]?.bool ?? false
    prefill = model["prefill"]?.bool ?? true
    context = model["context"]?.integer
    millionBeta = model["million_beta"]?.string
  }
}

extension ModelTable {
  /// The list as `GET /v1/models` gives it.
  ///
  /// - SeeAlso: <https://docs.anthropic.com/en/api/models-list>
  package func list() -> JSON {
    JSON(object: [
      "data": JSON(array: models.map(Self.entry)), "has_more": JSON(false),
      "first_id": models.first.map { JSON($0.id) } ?? .null, "last_id": models.last.map { JSON($0.id) } ?? .null,
    ])
  }

  /// One model as `GET /v1/models/{id}` gives it; nil where there is none of that name.
  package func entry(_ name: String) -> JSON? {
    let id = effective(name)
    return models.first { $0.id == id }.map(Self.entry)
  }

  /// Puts a model in front that the table doesn't know.
  package mutating func learn(_ id: String, displayName: String?) {
    guard !models.contains(where: { $0.id == id }) else { return }
    let unknown = "1970-01-01T00:00:00Z"
    models.insert(
      Model(id: id, displayName: displayName ?? id, createdAt: unknown, end: nil, capabilities: Capabilities()), at: 0)
    index()
  }

  private static func entry(_ model: Model) -> JSON {
    JSON(object: [
      "type": JSON("model"), "id": JSON(model.id), "display_name": JSON(model.displayName),
      "created_at": JSON(model.createdAt),
      // The table's are those that can be asked for.
      "lifecycle": JSON(model.end == nil ? "active" : "deprecated"),
      "retires_at": model.end.map { JSON($0 + "T00:00:00Z") },
    ])
  }
}
