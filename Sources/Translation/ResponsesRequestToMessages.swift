// SPDX-License-Identifier: MIT
import Records

package struct ResponsesRequestToMessages: RecordFilter {
  package static let side = Side.request
  package init() {}
  package mutating func take(_ line: Line, to out: inout Output) throws(APIError) { out.forward(line) }
}
