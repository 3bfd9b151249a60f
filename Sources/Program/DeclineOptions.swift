// SPDX-License-Identifier: MIT
import ArgumentParser
import Records

/// What every backend takes that can stand before another.
package struct DeclineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Hand requests that fail with such a status on, as they came.", valueName: "status,..."),
    transform: Self.statuses)
  package var decline = Declining()

  private static func statuses(_ text: String) throws -> Declining {
    guard let declining = Declining(reading: text) else {
      throw ValidationError("\(text) is no list of statuses from 400 to 599, such as 401,429,529")
    }
    return declining
  }

  package init() {}
}
