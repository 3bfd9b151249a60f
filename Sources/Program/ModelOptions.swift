// SPDX-License-Identifier: MIT
import ArgumentParser
import JSONText
import Models
import Records

/// Which model table a program uses.
package struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Read the model table from this file instead of the built-in one.", valueName: "file"))
  package var models: String?

  @Flag(help: "Pass the names of other vendors' models (gpt-4o) on as they are.")
  package var noForeignNames = false

  package init() {}

  package func table() throws(Failure) -> ModelTable {
    if let table = try givenTable() { return table }
    return noForeignNames ? try ModelTable.builtIn(foreignNames: false) : .known
  }

  /// The table in the owner's file; nil without one.
  package func givenTable() throws(Failure) -> ModelTable? {
    guard let models else { return nil }
    let text = try StandardIO.contents(of: models)
    return try ModelTable(parsing: text.slice, foreignNames: !noForeignNames)
  }
}
