// SPDX-License-Identifier: MIT
import ArgumentParser
import Program
import Records
import ResponsesStore

@main
struct ResponsesStoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "responses-store", version: version)
  static func main() { start() }
}
