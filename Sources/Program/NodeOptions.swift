// SPDX-License-Identifier: MIT
import ArgumentParser
import JSONText

/// The options of every program that makes trees of bodies.
package struct NodeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("How many JSON values a body may hold.", valueName: "n"))
  package var maxNodes = JSONCheck.maxNodes

  package init() {}

  package func validate() throws {
    guard maxNodes > 0 else {
      throw ValidationError(NumberSetting.complaint("--max-nodes", "\(maxNodes)", .values, 1...Int.max))
    }
  }
}

/// The same for a backend, which gets what a translator made of a body.
package struct BackendNodeOptions: ParsableArguments {
  /// A translation may hold more values than the request did: a call that has no result gets one, for example.
  private static let growth = 4

  @OptionGroup package var request: NodeOptions

  package init() {}

  package var maxNodes: Int {
    let (number, isTooLarge) = request.maxNodes.multipliedReportingOverflow(by: Self.growth)
    return isTooLarge ? .max : number
  }
}
