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

  @Option(help: ArgumentHelp("How long a connection may take to stand (CONNECT_TIMEOUT; 10).", valueName: "seconds"))
  var connectTimeout: Int?

  @Option(
    help: ArgumentHelp(
      "How long until the API begins to answer a stream (FIRST_BYTE_TIMEOUT; as --idle-timeout).", valueName: "seconds")
  )
  var firstByteTimeout: Int?

  @Option(help: ArgumentHelp("How long the API may be silent (IDLE_TIMEOUT; 120).", valueName: "seconds"))
  var idleTimeout: Int?

  @Option(help: ArgumentHelp("How long a whole answer may take (REQUEST_TIMEOUT; 600).", valueName: "seconds"))
  var requestTimeout: Int?

  @Option(
    help: ArgumentHelp(
      "How often to try again what failed before its answer began (MAX_RETRIES; 0).", valueName: "number"))
  var maxRetries: Int?

  @Option(
    help: ArgumentHelp(
      "How many bytes of requests and answers may be held at once (MAX_BUFFERED; 268435456).", valueName: "bytes"))
  var maxBuffered: Int?

  @OptionGroup var chain: DeclineOptions

  /// - Throws: of kind ``Failure/Kind/configuration`` where a variable has no meaning, of kind
  ///   ``Failure/Kind/usage`` where an option has none.
  func settings() throws(Failure) -> HTTPBackend.Settings {
    func number(
      _ option: Int?, _ name: String, _ unit: NumberSetting.Unit, in range: ClosedRange<Int>
    ) throws(Failure) -> Int? {
      try NumberSetting.read(option, name, Self.variable(name), unit, in: range)
    }
    func seconds(_ option: Int?, _ name: String) throws(Failure) -> Int? {
      try number(option, name, .seconds, in: 1...1_000_000)
    }
    var settings = HTTPBackend.Settings(
      endpoint: try Endpoint(baseURL ?? Self.variable("ANTHROPIC_BASE_URL") ?? Endpoint.vendor),
      credentials: try CredentialSource(Self.variable))
    let usual = settings.limits
    settings.limits.connectTimeout = try seconds(connectTimeout, "CONNECT_TIMEOUT") ?? usual.connectTimeout
    settings.limits.firstByteTimeout = try seconds(firstByteTimeout, "FIRST_BYTE_TIMEOUT")
    settings.limits.idleTimeout = try seconds(idleTimeout, "IDLE_TIMEOUT") ?? usual.idleTimeout
    settings.limits.requestTimeout = try seconds(requestTimeout, "REQUEST_TIMEOUT") ?? usual.requestTimeout
    settings.limits.maxRetries = try number(maxRetries, "MAX_RETRIES", .retries, in: 0...10) ?? usual.maxRetries
    settings.limits.maxBuffered =
      try number(maxBuffered, "MAX_BUFFERED", .bytes, in: 1...Int.max) ?? usual.maxBuffered
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
