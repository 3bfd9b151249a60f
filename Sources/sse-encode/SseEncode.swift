// SPDX-License-Identifier: MIT
import ArgumentParser
import EventStream
import Program

/// What the executable file calls.
@c(sse_encode_main)
public func sseEncodeMain() { SseEncode.start() }

/// The program as a stage of claude-pipe.
package var sseEncodeStage: StageProgram { StageProgram(SseEncode.self) }

struct SseEncode: FilterCommand {
  static let configuration = CommandConfiguration(
    commandName: "sse-encode",
    abstract: "Turn answers into HTTP: server-sent events, or a JSON body.",
    discussion: "Reads records or bare bodies on stdin, writes records or the text of the stream on stdout.",
    version: version)

  @OptionGroup var common: CommonOptions

  var bareIsTranslated: Bool { true }

  func filter() -> EventStreamEncoder { EventStreamEncoder() }
}
