// SPDX-License-Identifier: MIT
import JSONText
import Jansson

/// How far a response, or an item of it, has come.
enum ResponseStatus: String {
  case inProgress = "in_progress"
  case completed, incomplete, failed
}

/// One item of a response's output.
///
/// Its text is kept as it stands in the events, escaped: it is written again when the item is complete, and when the
/// response is.
final class ResponseItem {
  enum Kind {
    case reasoning, message, functionCall, customCall, webSearch, compaction
    /// A call of one of OpenAI's own tools that the client runs, by its type.
    case localCall(String)
  }

  var kind: Kind
  let id: String
  /// Its place in the output.
  let index: Int
  /// How many of its blocks are not over yet.
  var openBlocks = 0
  /// The item as it stands in the finished output.
  var done = Bytes()
  /// Its `added` event has been written.
  var isShown = false

  /// The text of a message, the summary of reasoning, or the input of a call, as the inside of a JSON string.
  var text = Bytes()
  /// What events of its text have between the number and the text.
  var deltaMiddle = Bytes()

  // Of a message.
  /// The blocks whose text it joins.
  var lane = Lane()
  var annotations = Bytes()
  var annotationCount = 0
  var hasText = false
  /// Up to where the characters of the text were counted, and how many there were.
  private var counted = (bytes: 0, characters: 0)
  var refusal: JSON?

  // Of a call.
  var block: JSON = .null
  var name: JSON = .null
  var namespace: JSON?
  /// The input as it is, where all of it is needed to say what the item is.
  var input = Bytes()

  // Of a search.
  var sources: [JSON] = []
  var status: String?

  /// The blocks to be sealed.
  var sealed: [JSON] = []
  /// The sealed blocks as the client gets them.
  var seal: JSON?

  init(_ kind: Kind, id: String, index: Int) { (self.kind, self.id, self.index) = (kind, id, index) }

  /// How many characters of the message's text there are up to that byte of it; to be asked for in growing order.
  func characters(upTo end: Int) -> Int {
    let text = text.slice
    var (at, characters) = counted
    while at < end {
      if text[at] == UInt8(ascii: "\\") {
        // A pair of surrogates is one character.
        at = endOfEscape(text, at) ?? at + 2
        characters += 1
      } else {
        if text[at] & 0xC0 != 0x80 { characters += 1 }
        at += 1
      }
    }
    counted = (at, characters)
    return characters
  }
}
