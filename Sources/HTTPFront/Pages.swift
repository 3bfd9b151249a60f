// SPDX-License-Identifier: MIT

/// The page at `/`.
package enum Pages {
  /// - Parameter host: what the client called us.
  package static func index(host: String, version: String) -> String {
    let json = "-H 'content-type: application/json'"
    let chat = #"-d '{"model":"claude-sonnet-5-5","max_tokens":100,"messages":[{"role":"user","content":"Hello!"}]}'"#
    return """
      claude-proxy \(version): Claude by the Anthropic and the OpenAI interface

      POST /v1/messages                     an Anthropic message, JSON or SSE
        curl http://\(host)/v1/messages \(json) \(chat)
      POST /v1/messages/count_tokens        its length in tokens
        curl http://\(host)/v1/messages/count_tokens \(json) \(chat)
      POST /openai/v1/chat/completions      an OpenAI chat completion, JSON or SSE
        curl http://\(host)/openai/v1/chat/completions \(json) \(chat)
      POST /v1/chat/completions             either of them, by what the request looks like
        curl http://\(host)/v1/chat/completions \(json) \(chat)
      POST /v1/responses                    an OpenAI response, JSON or SSE (also /openai/v1/responses)
        curl http://\(host)/v1/responses \(json) -d '{"model":"claude-sonnet-5-5","input":"Hello!"}'
      GET  /v1/responses/{id}, /v1/responses/{id}/input_items, POST /v1/responses/input_tokens
      GET  /v1/models, /v1/models/{id}      the models (for OpenAI's clients: /openai/v1/models)
        curl http://\(host)/v1/models
      GET  /health, /health/live, /health/ready, /health/detailed
        curl http://\(host)/health
      GET  /metrics                         figures for Prometheus
        curl http://\(host)/metrics
      GET  /openapi.json                    all of this, described for programs
        curl http://\(host)/openapi.json

      """
  }
}
