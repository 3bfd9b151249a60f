// SPDX-License-Identifier: MIT
import JSONText
import Records

/// A stage that the pipeline lacks: nothing translated the answer to the API that the client speaks.
///
/// Without this check a client of OpenAI's gets Anthropic's events with status 200, and shows an empty answer.
struct MissingStage {
  let message: String
  private let isOpenAI: Bool

  /// Nil where the answer is in the client's API, as far as its ctx says.
  init?(ctx: ByteSlice?) {
    guard let ctx, let dialect = Scan.member("dialect", of: ctx), dialect.first == UInt8(ascii: "\""),
      !dialect.equals("\"anthropic\""), Scan.member("translated", of: ctx)?.equals(dialect) != true
    else { return nil }
    isOpenAI = dialect.equals("\"openai\"")
    switch Operation(of: ctx) {
    // It asks about the pipeline, not for an answer of one of the APIs.
    case .health: return nil
    case .messages, .other: break
    // Their paths are the same in both APIs, and Anthropic's answer is what a pipeline without translators gives.
    case .countTokens, .models, .model: if dialect.equals("\"auto\"") { return nil }
    }
    let place = "between the backend and sse-encode in PIPELINE"
    if isOpenAI {
      message =
        "anth2oai is missing after the backend: no stage translated this answer to the OpenAI API. Add anth2oai \(place)."
    } else if dialect.equals("\"auto\"") {
      message =
        "oai2anth is missing before the backend: no stage found out which API the client uses. Add oai2anth before the "
        + "backend in PIPELINE, and anth2oai after it."
    } else {
      let name = Scan.plainString(dialect).map { String($0.text.prefix(64)) } ?? "unknown"
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
