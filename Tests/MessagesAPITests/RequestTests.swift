// SPDX-License-Identifier: MIT
import JSONText
import MessagesAPI
import Records
import Testing

@Suite("requests")
struct RequestTests {
  @Test(
    "where the API may be",
    arguments: ["https://api.anthropic.com", "http://127.0.0.1:8080/", "http://[::1]:1/v/w//", "HTTPS://example"])
  func endpoint(text: String) throws {
    let endpoint = try Endpoint(text)
    #expect(!endpoint.base.hasSuffix("/"))
    #expect(try endpoint.url(.messages, modelID: nil) == endpoint.base + "/v1/messages")
  }

  @Test(
    "where it may not be",
    arguments: [
      "", "api.anthropic.com", "ftp://x", "file:///etc/passwd", "https://", "https://u:secret@x", "https://x?secret",
      "https://x#secret", "https://x/\r\nsecret: 1", "javascript:secret",
    ])
  func noEndpoint(text: String) {
    let failure = #expect(throws: Failure.self) { try Endpoint(text) }
    #expect(failure?.kind == .configuration)
    #expect(failure?.message.contains("secret") == false)
  }

  @Test("a model's name is one segment of the path")
  func modelName() throws {
    let endpoint = try Endpoint("http://x")
    func url(_ inside: String) throws -> String {
      var inside = inside
      return try inside.withUTF8 { try endpoint.url(.model, modelID: $0) }
    }
    #expect(try url("claude-x.1_~") == "http://x/v1/models/claude-x.1_~")
    #expect(try url(#"a\/..\u002fb?c#d%"#) == "http://x/v1/models/a%2F..%2Fb%3Fc%23d%25")
    #expect(try url("é\\r\\n") == "http://x/v1/models/%C3%A9%0D%0A")
    for none in ["", ".", "..", #"\ud800"#] { #expect(throws: APIError.self) { try url(none) } }
    #expect(throws: APIError.self) { try endpoint.url(.model, modelID: nil) }
  }

  private func headers(_ json: String) throws -> ClientHeaders {
    var ctx = #"{"op":"messages","http":{"headers":\#(json)}}"#
    return try ctx.withUTF8 { try ClientHeaders(ctx: $0) }
  }

  @Test("of the client's headers, version and betas")
  func clientHeaders() throws {
    #expect(try headers("{}").version == "2023-06-01")
    #expect(try headers(#"{"anthropic-version":"2024-01-01","user-agent":"x"}"#).version == "2024-01-01")
    #expect(try headers(#"{"anthropic-beta":" b-1 ,a.2,, b-1"}"#).betas == "b-1,a.2")
    #expect(try headers(#"{"anthropic-beta":""}"#).betas == nil)
    for wrong in [
      #"{"anthropic-version":"1\r\nx: y"}"#, #"{"anthropic-beta":"a\nb"}"#, #"{"anthropic-beta":"a b"}"#,
      #"{"anthropic-beta":7}"#, #"{"anthropic-beta":"\#(String(repeating: "x", count: 65))"}"#,
    ] {
      let error = #expect(throws: APIError.self) { try headers(wrong) }
      #expect(error?.status == 400)
    }
  }

  @Test("keys that can't stand in a header are refused, and not repeated")
  func credentials() throws {
    #expect(try Credentials(key: nil, token: nil).isMissing)
    #expect(try Credentials(key: " \n", token: "").isMissing)
    #expect(try !Credentials(key: "sk-1\n", token: nil).isMissing)
    let failure = #expect(throws: Failure.self) { try Credentials(key: nil, token: "sk\r\nx: y") }
    #expect(failure?.message == "ANTHROPIC_AUTH_TOKEN holds what can't stand in a header")
  }
}
