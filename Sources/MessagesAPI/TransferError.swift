// SPDX-License-Identifier: MIT
import CCurl
import Records

extension APIError {
  /// What to tell the client of a transfer that failed: nothing that names a host or a file.
  ///
  /// - Parameter isSent: the whole request went out, and nothing of an answer came.
  init(of result: CURLcode, connectTimeout: Int, isSent: Bool) {
    func because(_ what: String) -> String { "\(what): \(String(cString: ccurl_easy_strerror(result)))" }
    switch result {
    // The only time that libcurl watches is the one for the connection.
    case CURLE_OPERATION_TIMEDOUT:
      self.init(status: 504, "the API could not be reached within \(connectTimeout) s")
    case CURLE_PEER_FAILED_VERIFICATION:
      self.init(status: 502, "the API could not be reached: its certificate can't be verified")
    case CURLE_SSL_CACERT_BADFILE:
      self.init(status: 502, "the API could not be reached: the certificates to trust can't be read")
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
      CURLE_PROXY, CURLE_FAILED_INIT:
      self.init(status: 502, because("the API could not be reached"))
    case CURLE_OUT_OF_MEMORY:
      // So libcurl calls a line of the head, or of the trailers, that is longer than it takes.
      self.init(status: 502, "the API's answer has a header that is too long")
    case _ where isSent:
      self.init(
        status: 502, "the connection to the API broke after the request was sent, which may have been processed")
    default:
      self.init(status: 502, because("the connection to the API failed"))
    }
  }
}
