// SPDX-License-Identifier: MIT
import HTTPFront
import NIOHTTP1
import Records
import Testing

@Suite("routes")
struct RouteTests {
  private let table = RouteTable.builtIn

  private func find(_ method: HTTPMethod, _ path: String) -> String {
    switch table.find(method, path) {
    case .found(let route, let id, _): route.path + (id.map { " " + $0 } ?? "")
    case .wrongMethod(let allowed): allowed.joined(separator: " ")
    case .unknown: "unknown"
    }
  }

  @Test(arguments: [
    (HTTPMethod.POST, "/v1/messages", "/v1/messages"),
    (.HEAD, "/v1/models", "/v1/models"),
    (.GET, "/v1/models/claude-x", "/v1/models/{id} claude-x"),
    (.GET, "/openai/v1/models/a%2Fb%C3%A9", "/openai/v1/models/{id} a/bé"),
    (.GET, "/v1/models/", "/v1/models"),
    (.GET, "/v1/models/..", "unknown"),
    (.GET, "/v1/models/%2e%2E", "unknown"),
    (.GET, "/v1/models/.", "unknown"),
    (.GET, "/v1/models/...", "/v1/models/{id} ..."),
    (.GET, "/v1/models/a/b", "unknown"),
    (.GET, "/v1/models/%zz", "unknown"),
    (.GET, "/v1/models/%ff", "unknown"),
    (.GET, "/v1/models/a%0d%0ab", "unknown"),
    (.GET, "/v1/models/a%00", "unknown"),
    (.GET, "/v1/models/a%7F", "unknown"),
    (.GET, "/v1/models/a%c2%9fb", "unknown"),
    (.GET, "/v1/models/a%C2%A0b", "/v1/models/{id} a\u{A0}b"),
    (.GET, "/v1/messages", "POST OPTIONS"),
    (.POST, "/", "GET HEAD OPTIONS"),
    (.OPTIONS, "/health", "GET HEAD OPTIONS"),
    (.POST, "/v1/messages/", "/v1/messages"),
    (.DELETE, "/v1/models/x", "GET HEAD OPTIONS"),
    (.GET, "/v1/responses/resp_1", "/v1/responses/{id} resp_1"),
    (.HEAD, "/v1/responses/resp_1", "/v1/responses/{id} resp_1"),
    (.DELETE, "/openai/v1/responses/a%2Fb", "/openai/v1/responses/{id} a/b"),
    (.GET, "/v1/responses/a/input_items", "/v1/responses/{id}/input_items a"),
    (.POST, "/v1/responses/a/cancel", "/v1/responses/{id}/cancel a"),
    (.POST, "/v1/responses/input_tokens", "/v1/responses/input_tokens"),
    (.GET, "/v1/responses/input_tokens", "POST OPTIONS"),
    (.DELETE, "/v1/responses/compact", "POST OPTIONS"),
    (.POST, "/v1/responses/a", "GET HEAD DELETE OPTIONS"),
    (.GET, "/v1/responses/..", "unknown"),
    (.GET, "/v1/responses/../input_items", "unknown"),
    (.GET, "/v1/responses/%2e%2E/input_items", "unknown"),
    (.GET, "/v1/responses//input_items", "/v1/responses/{id} input_items"),
    (.POST, "/v1/responses/a%0ab/cancel", "unknown"),
    (.POST, "/v1/responses/a/cancel/x", "unknown"),
    (.DELETE, "/v1/conversations/c/items/i", "/v1/conversations/{id}/items/{item} c"),
    (.DELETE, "/v1/conversations/c/items/..", "unknown"),
    (.DELETE, "/v1/conversations", "POST OPTIONS"),
  ])
  func find(_ method: HTTPMethod, _ path: String, _ expected: String) {
    #expect(find(method, path) == expected)
  }

  /// What people's base URLs and their libraries make together.
  @Test(arguments: [
    (HTTPMethod.POST, "/chat/completions", "/openai/v1/chat/completions", Dialect.openai),
    (.POST, "/openai/chat/completions", "/openai/v1/chat/completions", .openai),
    (.POST, "/openai/v1/v1/chat/completions/", "/openai/v1/chat/completions", .openai),
    (.POST, "/v1/openai/chat/completions", "/openai/v1/chat/completions", .openai),
    (.POST, "//v1//chat//completions//", "/v1/chat/completions", .auto),
    (.POST, "/v1/v1/chat/completions", "/v1/chat/completions", .auto),
    (.POST, "/anthropic/v1/chat/completions", "/v1/chat/completions", .auto),
    (.POST, "/responses", "/openai/v1/responses", .responses),
    (.GET, "/responses", "/openai/v1/responses", .responses),
    (.DELETE, "/responses/r/", "/openai/v1/responses/{id}", .responses),
    (.POST, "/openai/responses", "/openai/v1/responses", .responses),
    (.POST, "/v1/v1/responses", "/v1/responses", .responses),
    (.GET, "/openai/responses/r/input_items", "/openai/v1/responses/{id}/input_items", .responses),
    (.POST, "/conversations", "/openai/v1/conversations", .responses),
    (.POST, "/messages", "/v1/messages", .anthropic),
    (.POST, "/messages/", "/v1/messages", .anthropic),
    (.POST, "//v1/messages", "/v1/messages", .anthropic),
    (.POST, "/v1/v1/v1/messages", "/v1/messages", .anthropic),
    (.POST, "/anthropic/messages", "/v1/messages", .anthropic),
    (.POST, "/anthropic/v1/v1/messages", "/v1/messages", .anthropic),
    (.POST, "/anthropic/anthropic/v1/messages", "/v1/messages", .anthropic),
    (.POST, "/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens", .anthropic),
    (.POST, "/messages/count_tokens/", "/v1/messages/count_tokens", .anthropic),
    (.GET, "/models", "/v1/models", .auto),
    (.HEAD, "/models/", "/v1/models", .auto),
    (.GET, "/openai/models", "/openai/v1/models", .openai),
    (.GET, "/openai/models/x", "/openai/v1/models/{id}", .openai),
    (.GET, "/models/a%2Fb/", "/v1/models/{id}", .auto),
    (.GET, "/anthropic/v1/models/", "/v1/models", .anthropic),
    (.GET, "/v1/anthropic/models/x", "/v1/models/{id}", .anthropic),
    (.GET, "/v1/v1/models/v1", "/v1/models/{id}", .auto),
    (.GET, "/health/", "/health", .anthropic),
    (.GET, "//health//live", "/health/live", .anthropic),
    (.GET, "//", "/", .anthropic),
  ])
  func paths(_ method: HTTPMethod, _ path: String, _ route: String, _ dialect: Dialect) {
    guard case .found(let asked, _, let found) = table.find(method, path) else {
      Issue.record("\(path) has no route")
      return
    }
    #expect(asked.path == route && found == dialect)
  }

  /// Nothing but empty segments and the known prefixes is passed over.
  @Test(arguments: [
    "/v1", "/v1/", "/openai", "/openai/v1/", "/anthropic", "/openai/v1/messages", "/openai/messages",
    "/openai/anthropic/v1/messages", "/anthropic/openai/chat/completions", "/V1/messages", "/v1/Messages",
    "/v2/messages",
    "/v1/./messages", "/v1/../v1/messages", "/../v1/messages", "/v1/%2e%2e/v1/messages", "/v1%2Fmessages",
    "/%761/messages",
    "/v1/%2Fmessages", "/v1\\messages", "/v1/messages;x=y", "/v1 /messages", "/evil.example/v1/messages",
    "//evil.example/v1/messages", "/messages/messages", "/messages/v1", "/completions", "/chat", "/chat/completions/x",
    "/v1/health", "/openai/health", "/anthropic/metrics", "/v1/openapi.json", "/v1/chat/v1/completions", "*",
    "v1/messages",
    "/x/v1/messages", "/v1/models/a/b", "/models/openai/x", "/v1/messages/count_tokens/x", "/.", "/..", "/v1/models/..",
    "/models/%2E", "/anthropic/v1/models/%2e.",
  ])
  func noPaths(_ path: String) {
    for method in [HTTPMethod.GET, .POST] {
      guard case .unknown = table.find(method, path) else {
        Issue.record("\(path) has a route")
        return
      }
    }
  }
}
