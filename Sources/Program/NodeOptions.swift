// SPDX-License-Identifier: MIT
import ArgumentParser
import Jansson

/// What every program takes that makes trees of bodies.
package struct NodeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("How many JSON values a body may hold.", valueName: "n"))
  package var maxNodes = JSON.maxNodes

  package init() {}

  /// Checks the limit, and puts it in force: it is the same for all that is parsed.
  package func validate() throws {
    guard maxNodes > 0 else { throw ValidationError("--max-nodes must be above 0") }
    JSON.maxNodes = maxNodes
  }
}
