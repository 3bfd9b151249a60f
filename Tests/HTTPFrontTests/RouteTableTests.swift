// SPDX-License-Identifier: MIT
import HTTPFront
import NIOHTTP1
import Records
import Testing

@Suite("routes of the settings")
struct RouteTableTests {
  /// What a request is for, and the id in its path.
  private func find(_ method: HTTPMethod, _ path: String, in text: String) throws -> String {
    switch try RouteTable(adding: text).find(method, path) {
    case .found(let route, let id, let dialect):
      "\(route.op.rawValue) \(dialect.rawValue) \(route.path)" + (id.map { " " + $0 } ?? "")
    case .wrongMethod(let allowed): allowed.joined(separator: " ")
    case .unknown: "unknown"
    }
  }

  private static let mini = "POST /mini/chat messages mini; GET /mini/notes/{id} note mini"

  @Test(arguments: [
    (mini, HTTPMethod.POST, "/mini/chat", "messages mini /mini/chat"),
    (mini, .GET, "/mini/notes/a%20b", "note mini /mini/notes/{id} a b"),
    (mini, .HEAD, "/mini/notes/a", "note mini /mini/notes/{id} a"),
    (mini, .GET, "/mini/notes", "unknown"),
    (mini, .GET, "/mini/chat", "POST OPTIONS"),
    (mini, .POST, "//mini/chat/", "messages mini /mini/chat"),
    (mini, .POST, "/v1/messages", "messages anthropic /v1/messages"),
    ("\n# mine\n\tPUT  /a/{x}/b   put_b\tmy-api \r\n", .PUT, "/a/1/b", "put_b my-api /a/{x}/b"),
    ("PATCH /a/{id} a b;DELETE /a/{id} c b;POST /a/{id} d b", .GET, "/a/1", "POST PATCH DELETE OPTIONS"),
    // A route of the settings takes the place of a built-in one, whatever its open segment is called.
    ("POST /v1/messages messages mine", .POST, "/messages", "messages mine /v1/messages"),
    ("POST /v1/chat/completions messages mine", .POST, "/v1/chat/completions", "messages mine /v1/chat/completions"),
    ("GET /v1/models/{name} note mine", .GET, "/v1/models/x", "note mine /v1/models/{name}"),
    ("GET /v1/messages note mine", .POST, "/v1/messages", "messages anthropic /v1/messages"),
    ("POST /{id} note mine", .POST, "/health", "GET HEAD OPTIONS"),
    // What has no open segment comes first, then the order of the lines.
    ("GET /{id} note mine", .GET, "/health", "health anthropic /health"),
    ("GET /{id} note mine", .GET, "/other", "note mine /{id} other"),
    ("GET /a/{id} one mine;GET /{id}/b two mine;GET /a/b three mine", .GET, "/a/b", "three mine /a/b"),
    ("GET /a/{id} one mine;GET /{id}/b two mine", .GET, "/a/b", "one mine /a/{id} b"),
    ("GET /{id}/b two mine;GET /a/{id} one mine", .GET, "/a/b", "two mine /{id}/b a"),
    ("POST /mine messages auto", .POST, "/mine", "messages auto /mine"),
    ("GET /mine models auto", .GET, "/mine", "models auto /mine"),
  ])
  func found(_ text: String, _ method: HTTPMethod, _ path: String, _ expected: String) throws {
    #expect(try find(method, path, in: text) == expected)
  }

  @Test("no text adds nothing", arguments: ["", " ", ";", "\n\n;;# a remark"])
  func none(_ text: String) throws {
    #expect(try RouteTable(adding: text).routes.map(\.path) == RouteTable.builtIn.routes.map(\.path))
  }

  /// Each names its line, and what to write.
  @Test(arguments: [
    ("POST /mini", "line 1, \"POST /mini\": expected METHOD PATH OPERATION DIALECT, for example"),
    ("GET /a b c; POST /a b c d", "line 2, \"POST /a b c d\": expected METHOD PATH OPERATION DIALECT"),
    ("\n\n  FETCH /a b c", "line 3, \"FETCH /a b c\": the method is FETCH; expected GET, POST"),
    ("get /a b c", "the method is get; expected GET"), ("HEAD /a b c", "the method is HEAD"),
    ("OPTIONS /a b c", "the method is OPTIONS"), ("GET a b c", "must begin with /"),
    ("GET /\(String(repeating: "a", count: 90)) b c", "at most 90 bytes"),
    ("GET /a/ b c", "the segment \"\" of the path"), ("GET //a b c", "the segment \"\" of the path"),
    ("GET /a/../b b c", "the segment \"..\""), ("GET /./a b c", "the segment \".\""),
    ("GET /a%20b b c", "the segment \"a%20b\""),
    ("GET /a?b=c b c", "the segment \"a?b=c\""), ("GET /a#b b c", "the segment \"a#b\""),
    ("GET /é b c", "the segment \"é\""),
    ("GET /{id b c", "the segment \"{id\""), ("GET /a{id} b c", "the segment \"a{id}\""),
    ("GET /{} b c", "the segment \"{}\""),
    ("GET /{ID} b c", "the segment \"{ID}\""), ("GET /{id}/{id} b c", "the path has {id} twice"),
    ("GET /a Note c", "the operation is Note"), ("GET /a no-te c", "the operation is no-te"),
    ("GET /a health c", "the operation is health"), ("GET /a b C", "the dialect is C"),
    ("GET /a live front", "the dialect is front"), ("GET /a b 1c", "the dialect is 1c"),
    ("GET /a b \(String(repeating: "c", count: 65))", "the dialect is ccc"),
    ("GET /health b c", "answers /health by itself"), ("POST /metrics b c", "answers /metrics by itself"),
    ("GET /health/live b c", "by itself"), ("GET / b c", "by itself"), ("GET /openapi.json b c", "by itself"),
    ("GET /a b c;GET /b b c;GET /a d e", "line 3, \"GET /a d e\": line 1 has the same method and path"),
    ("GET /a/{id} b c;GET /a/{x} b c", "line 1 has the same method and path"),
    (
      (0...256).map { "GET /a\($0) b c" }.joined(separator: ";"), "line 257, \"GET /a256 b c\": there are more than 256"
    ),
  ])
  func wrong(_ text: String, _ message: String) {
    do throws(Failure) {
      _ = try RouteTable(adding: text)
      Issue.record("\(text) is taken")
    } catch {
      #expect(error.kind == .usage && error.message.hasPrefix("--routes (ROUTES): line "))
      #expect(error.message.contains(message), "\(error.message)")
    }
  }

  @Test("an error repeats a bounded part of its line")
  func bounded() {
    let line = "GET /a b c " + String(repeating: "d", count: 100_000)
    let error = #expect(throws: Failure.self) { _ = try RouteTable(adding: line) }
    #expect((error?.message.utf8.count ?? 0) < 1_000)
  }

  @Test(
    "which requests have a body",
    arguments: [
      ("POST /a messages x", Route.Body.required), ("POST /a count_tokens x", .required), ("POST /a note x", .optional),
      ("PUT /a note x", .optional), ("PATCH /a note x", .optional), ("GET /a messages x", .none),
      ("DELETE /a note x", .none),
    ])
  func bodies(_ text: String, _ body: Route.Body) throws {
    #expect(try RouteTable(adding: text).routes.first?.body == body)
  }
}
