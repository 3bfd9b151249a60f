// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import JSONText
import Jansson
import Logs
import Reactor
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
package protocol FilterCommand: ParsableCommand {
  associatedtype Filter: RecordFilter
  var common: CommonOptions { get }
  /// The dialect of a record or a bare body that names none; nil in programs that serve all alike.
  var bareDialect: Dialect? { get }
  /// Whether what brings no ctx is in that dialect already.
  var bareIsTranslated: Bool { get }
  /// The name of the program in log lines.
  static var logName: String { get }
  func filter() throws(Failure) -> Filter
}

extension FilterCommand {
  package var bareDialect: Dialect? { nil }
  package var bareIsTranslated: Bool { false }
  package static var logName: String { _commandName }

  package mutating func run() throws {
    let log = Log(program: Self.logName, level: common.logLevel)
    // Ignored SIGPIPE is inherited through exec; a filter dies of it, as filters do.
    signal(SIGPIPE, SIG_DFL)
    do throws(Failure) {
      var run = Run(
        try filter(),
        defaultContext: common.defaultContext(dialect: bareDialect, isTranslated: bareIsTranslated),
        isStrict: common.strictInput)
      do throws(Failure) {
        // Nothing computed waits for input that may be slow to come: each read is followed by one write.
        // Until when large buffers are kept, by the reactor's clock.
        var kept: UInt64?
        repeat {
          try flush(&run.output, log)
          if run.keepsMuch || Memory.keepsMuch {
            let now = Reactor.now
            let end = kept ?? now + UInt64(Limits.keptTime) * 1_000_000
            // Also where there is always something to read.
            let isOver = end <= now || !StandardIO.inputComes(within: Int((end - now) / 1_000_000) + 1)
            if isOver {
              run.giveBack()
              Memory.giveBack()
            }
            kept = isOver ? nil : end
          }
        } while try run.take(filledBy: StandardIO.read)
        try run.finish()
      } catch {
        try flush(&run.output, log)
        throw error
      }
      try flush(&run.output, log)
    } catch {
      throw error.exit(log)
    }
  }
}

/// Writes the records and the notes, and empties both.
package func flush(_ output: inout Output, _ log: Log) throws(Failure) {
  for note in output.notes { log.write(note) }
  output.notes.removeAll()
  guard !output.bytes.isEmpty else { return }
  try StandardIO.write(output.bytes.slice, forgetting: output.bytes.room > Limits.keptBuffer)
  output.bytes.removeAll(keeping: Limits.keptBuffer)
}

extension Failure {
  /// Tells the operator, and gives the shell its status.
  package func exit(_ log: Log) -> ExitCode {
    log.write(.error, line.map { "line \($0): \(message)" } ?? message)
    return ExitCode(kind.rawValue)
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
