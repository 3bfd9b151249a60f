// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import MessagesAPI
import Program
import Records

/// The program's own options; what has a variable of the environment takes its default from there.
struct HTTPOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where the Messages API is (ANTHROPIC_BASE_URL; \(Endpoint.vendor)).", valueName: "url"))
  var baseURL: String?

  @Option(help: ArgumentHelp("How long a connection may take to stand (10).", valueName: "seconds"))
  var connectTimeout: Int?

  @Option(help: ArgumentHelp("How long the API may be silent (IDLE_TIMEOUT; 120).", valueName: "seconds"))
  var idleTimeout: Int?

  @Option(help: ArgumentHelp("How long a whole answer may take (REQUEST_TIMEOUT; 600).", valueName: "seconds"))
  var requestTimeout: Int?

  @OptionGroup var chain: DeclineOptions

  /// - Throws: of kind ``Failure/Kind/configuration`` where a variable has no meaning, of kind
  ///   ``Failure/Kind/usage`` where an option has none.
  func settings() throws(Failure) -> HTTPBackend.Settings {
    func seconds(_ option: Int?, _ name: String, _ variable: String?, _ fallback: Int) throws(Failure) -> Int {
      guard let text = option.map({ String($0) }) ?? variable.flatMap(Self.variable) else { return fallback }
      guard let number = Int(text), (1...1_000_000).contains(number) else {
        throw Failure(
          option == nil ? .configuration : .usage, "\(name) is \(text); expected a number from 1 to 1000000")
      }
      return number
    }
    var settings = HTTPBackend.Settings(
      endpoint: try Endpoint(baseURL ?? Self.variable("ANTHROPIC_BASE_URL") ?? Endpoint.vendor),
      credentials: try Credentials(
        key: Self.variable("ANTHROPIC_API_KEY"), token: Self.variable("ANTHROPIC_AUTH_TOKEN")))
    let usual = settings.limits
    settings.limits.connectTimeout = try seconds(connectTimeout, "--connect-timeout", nil, usual.connectTimeout)
    settings.limits.idleTimeout = try seconds(idleTimeout, "IDLE_TIMEOUT", "IDLE_TIMEOUT", usual.idleTimeout)
    settings.limits.requestTimeout = try seconds(
      requestTimeout, "REQUEST_TIMEOUT", "REQUEST_TIMEOUT", usual.requestTimeout)
    settings.declining = chain.decline
    settings.certificateFile = Self.variable("SSL_CERT_FILE")
    settings.certificateFolder = Self.variable("SSL_CERT_DIR")
    return settings
  }

  /// A variable of the environment; nil where it is empty.
  private static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}
