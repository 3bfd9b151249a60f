// SPDX-License-Identifier: MIT
import ArgumentParser
import HTTPFront
import NIOCore
import Records

/// Who is let in.
struct GuardOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Let in who has one of the tokens in this file, lines of NAME:TOKEN.", valueName: "file"))
  var tokens: String?

  @Option(
    help: ArgumentHelp("Names that a Host may have on loopback, beside localhost, with commas.", valueName: "names"))
  var allowedHosts = ""

  @Option(
    help: ArgumentHelp("Origins whose pages may ask, with commas, such as http://localhost:*.", valueName: "origins"))
  var corsOrigins = ""

  @Option(help: ArgumentHelp("Addresses and networks whose x-forwarded-for is believed.", valueName: "addresses"))
  var trustedProxies = ""

  func apply(to settings: inout FrontSettings) throws(Failure) {
    settings.tokens = try Tokens.takeFromEnvironment()
    settings.tokensFile = tokens
    settings.hosts = Hosts(allowedHosts)
    settings.origins = try Origins(corsOrigins)
    settings.proxies = try TrustedProxies(trustedProxies)
  }
}
