// SPDX-License-Identifier: MIT
import Records

package struct MessagesToResponses: RecordFilter {
  package static let side = Side.answer
  package init() {}
  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) { out.forward(line) }
}
