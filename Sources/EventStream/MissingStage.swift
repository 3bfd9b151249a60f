// SPDX-License-Identifier: MIT
import JSONText
import Records

/// A stage that the pipeline lacks: nothing translated the answer to the API that the client speaks.
///
/// Without this check a client of OpenAI's gets Anthropic's events with status 200, and shows an empty answer.
struct MissingStage {
  let message: String
  private let isOpenAI: Bool

  /// The stage that translates answers to an API of OpenAI's, by its dialect.
  private static let translators: [String: (stage: String, api: String)] = [
    "openai": ("anth2oai", "the OpenAI API"),
    "responses": ("anth2resp", "OpenAI's Responses API"),
  ]

  /// Nil where the answer is in the client's API, as far as its ctx says.
  init?(ctx: ByteSlice?) {
    guard let ctx, let dialect = Scan.member("dialect", of: ctx), dialect.first == UInt8(ascii: "\""),
      !dialect.equals("\"anthropic\""), Scan.member("translated", of: ctx)?.equals(dialect) != true
    else { return nil }
    let isOpen = dialect.equals("\"auto\"")
    let name = Scan.plainString(dialect).map { String($0.text.prefix(64)) } ?? "unknown"
    switch Operation(of: ctx) {
    // It asks about the pipeline, not for an answer of one of the APIs.
    case .health: return nil
    case .messages, .other: break
    // Their paths are the same in both APIs, and Anthropic's answer is what a pipeline without translators gives.
    case .countTokens, .models, .model: if isOpen { return nil }
    }
    let place = "between the backend and sse-encode in PIPELINE"
    let translator = Self.translators[name]
    isOpenAI = translator != nil
    if let (stage, api) = translator {
      message =
        "\(stage) is missing after the backend: no stage translated this answer to \(api). Add \(stage) \(place)."
    } else if isOpen {
      message =
        "oai2anth is missing before the backend: no stage found out which API the client uses. Add oai2anth before the "
        + "backend in PIPELINE, and anth2oai after it."
    } else {
      message =
        "a translator is missing after the backend: no stage translated this answer to the API \"\(name)\". Add the "
        + "stage that does \(place)."
    }
  }

  /// The error's body, in the client's API where that is known.
  func appendBody(to bytes: inout Bytes, requestID: ByteSlice) {
    let error = APIError(status: 502, message)
    guard isOpenAI else { return bytes.append(body: error, requestID: requestID) }
    bytes.append(#"{"error":{"message":"#)
    bytes.append(quoted: error.message)
    bytes.append(#","type":"#)
    bytes.append(quoted: error.type)
    bytes.append(#","param":null,"code":null}}"#)
  }
}
