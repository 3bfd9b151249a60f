// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import Jansson
import Logs
import Records

/// The version of all programs.
package let version = Product.version

/// What every program takes.
package struct CommonOptions: ParsableArguments {
  @Option(help: "Log what is at least this grave: debug, info, warning or error.")
  package var logLevel: Output.Note.Level = .info

  @Flag(help: "End with status 65 at the first line that can't be read.")
  package var strictInput = false

  @Option(
    help: ArgumentHelp(
      "The API of requests that name none: openai, anthropic, responses or auto.", valueName: "dialect"))
  package var dialect: Dialect?

  @Option(help: ArgumentHelp("What requests that name no operation ask for.", valueName: "operation"))
  package var op: Operation?

  package init() {}

  /// The ctx of requests that bring none.
  ///
  /// - Parameters:
  ///   - fallback: the dialect where no option names one; nil leaves it to the programs that care.
  ///   - isTranslated: whether answers that bring no ctx are taken to be in that dialect already.
  package func defaultContext(dialect fallback: Dialect?, isTranslated: Bool = false) -> String {
    let name = (dialect ?? fallback)?.rawValue
    let named = name.map { #","dialect":"\#($0)""# + (isTranslated ? #","translated":"\#($0)""# : "") } ?? ""
    return #"{"op":""# + (op ?? .messages).rawValue + "\"" + named + "}"
  }
}

extension Output.Note.Level: ExpressibleByArgument {}
extension Dialect: ExpressibleByArgument {}
extension Records.Operation: ExpressibleByArgument {
  package init?(argument: String) { self.init(rawValue: argument) }
}

/// A program that is a filter: its main parses options and names the filter, all else stands here.
package protocol FilterCommand: StageCommand {
  associatedtype Filter: RecordFilter
  /// The dialect of a record or a bare body that names none; nil in programs that serve all alike.
  var bareDialect: Dialect? { get }
  /// Whether what brings no ctx is in that dialect already.
  var bareIsTranslated: Bool { get }
  func filter() throws(Failure) -> Filter
}

extension FilterCommand {
  package var bareDialect: Dialect? { nil }
  package var bareIsTranslated: Bool { false }
  package static var isBackend: Bool { false }

  package func append(to chain: Chain, log: Log) throws(Failure) {
    chain.append(
      try filter(), of: self, log: log,
      defaultContext: common.defaultContext(dialect: bareDialect, isTranslated: bareIsTranslated))
  }
}

extension ParsableCommand {
  /// The main of every program: statuses are those of `sysexits.h`.
  package static func start() -> Never {
    NodePool.install()
    // Before anything opens a descriptor that would take the place of a closed one.
    StandardIO.secureDescriptors()
    Memory.returnWhatIsLarge()
    do {
      var command = try parseAsRoot()
      try command.run()
      Glibc.exit(0)
    } catch let error as ExitCode {
      Glibc.exit(error.rawValue)
    } catch {
      // argument-parser's own: usage is 64 already, help and version are 0.
      exit(withError: error)
    }
  }
}
