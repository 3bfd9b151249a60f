// SPDX-License-Identifier: MIT
import ArgumentParser
import HTTPFront
import NIOCore
import Program
import Records

/// Who is let in.
struct GuardOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Let in who has one of the tokens in this file, lines of NAME:TOKEN.", valueName: "file"))
  var tokens: String?

  @Flag(help: "Let a reload remove the last token, so that every client is accepted.")
  var allowUnauthenticated = false

  @Option(
    help: ArgumentHelp("Names that a Host may have on loopback, beside localhost, with commas.", valueName: "names"))
  var allowedHosts = ""

  @Option(
    help: ArgumentHelp("Origins whose pages may ask, with commas, such as http://localhost:*.", valueName: "origins"))
  var corsOrigins = ""

  @Option(help: ArgumentHelp("Addresses and networks whose x-forwarded-for is believed.", valueName: "addresses"))
  var trustedProxies = ""

  @Option(help: ArgumentHelp("The largest head of a request.", valueName: "bytes"))
  var maxHeader = FrontLimits.maxHeader

  @Option(help: ArgumentHelp("The time for a request's head, from its first byte.", valueName: "seconds"))
  var headerTimeout = FrontLimits.headerTimeout

  @Option(help: ArgumentHelp("How long a request's body may stop arriving.", valueName: "seconds"))
  var bodyTimeout = FrontLimits.bodyTimeout

  @Option(help: ArgumentHelp("How long a connection may wait for its next request.", valueName: "seconds"))
  var keepAliveTimeout = FrontLimits.idleTimeout

  @Option(help: ArgumentHelp("How many clients may be connected at once.", valueName: "n"))
  var maxConnections = FrontLimits.maxConnections

  @Option(help: ArgumentHelp("How many of them from one address, loopback aside.", valueName: "n"))
  var maxConnectionsPerAddress = FrontLimits.maxConnectionsPerAddress

  func apply(to settings: inout FrontSettings) throws(Failure) {
    settings.tokens = try Tokens(of: settings.environment)
    settings.tokensFile = tokens
    settings.allowsUnauthenticated = allowUnauthenticated
    settings.hosts = Hosts(allowedHosts)
    settings.origins = try Origins(corsOrigins)
    try NumberSetting.check("--max-header", maxHeader, .bytes, in: 1...Int.max)
    try NumberSetting.check("--max-connections", maxConnections, .connections, in: 1...Int.max)
    try NumberSetting.check("--max-connections-per-address", maxConnectionsPerAddress, .connections, in: 1...Int.max)
    try NumberSetting.check("--header-timeout", headerTimeout, .seconds, in: 1...86_400)
    try NumberSetting.check("--body-timeout", bodyTimeout, .seconds, in: 1...86_400)
    try NumberSetting.check("--keep-alive-timeout", keepAliveTimeout, .seconds, in: 1...86_400)
    settings.maxHeader = maxHeader
    settings.headerTimeout = .seconds(headerTimeout)
    settings.bodyTimeout = .seconds(bodyTimeout)
    settings.idleTimeout = .seconds(keepAliveTimeout)
    settings.maxConnections = maxConnections
    settings.maxConnectionsPerAddress = maxConnectionsPerAddress
    settings.proxies = try TrustedProxies(trustedProxies)
  }
}
