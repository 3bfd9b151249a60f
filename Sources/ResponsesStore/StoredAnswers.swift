// SPDX-License-Identifier: MIT
import JSONText
import Records

/// Answers the requests for a kept response: shows it, deletes it, or lists its input items.
struct StoredAnswers {
  private let file: ResponsesFile
  private let line: Line
  private let context: RequestContext
  /// The id of the response that the client asks for.
  private let id: String

  init(_ file: ResponsesFile, _ line: Line) {
    self.file = file
    self.line = line
    context = RequestContext(line.ctx)
    id = line.ctx.flatMap { Scan.member("id", of: $0) }.flatMap { JSONString.text(of: $0) } ?? ""
  }

  private var oldest: Int { file.settings.oldest(at: context.time) }

  /// `GET /v1/responses/{id}`.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/get>
  func response(to out: inout Output) {
    var showsSeals = false
    var loss = LossLedger()
    for (name, value) in context.parameters {
      if name == "stream", value == "true" {
        return out.refuse(
          line,
          inOpenAIsForm: .invalid(
            "streaming a stored response is not supported; send the request without stream=true", param: "stream"))
      }
      if Self.asksForSeals(name, value, &loss) { showsSeals = true }
    }
    var body = Bytes()
    let isFound = file.perform(.reading, at: context.time) { (database) throws(SQLiteFault) -> Bool in
      body.removeAll(keeping: 0)
      guard let number = try database.find(id, of: context.owner, since: oldest) else { return false }
      let around = try database.query(.body, .number(number))
      defer { around.reset() }
      guard try around.step() else { return false }
      body.append(around.bytes(0))
      let first = number << Schema.placeBits
      let items = try database.query(
        .items, .number(first + Schema.output), .number(first + 1 << Schema.placeBits))
      defer { items.reset() }
      var isFirst = true
      while try items.step() {
        if !isFirst { body.append(",") }
        isFirst = false
        body.append(kept: items.bytes(0), seal: showsSeals ? items.optionalBytes(1) : nil)
      }
      body.append(around.bytes(1))
      return true
    }
    answer(isFound, body, loss, to: &out)
  }

  /// `DELETE /v1/responses/{id}`.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/delete>
  func delete(to out: inout Output) {
    let isFound = file.perform(.writing, at: context.time) { (database) throws(SQLiteFault) -> Bool in
      guard let number = try database.find(id, of: context.owner, since: oldest) else { return false }
      try database.forget(number)
      return true
    }
    var body = Bytes()
    body.append(#"{"id":"#)
    body.append(quoted: id)
    body.append(#","object":"response","deleted":true}"#)
    answer(isFound, body, LossLedger(), to: &out)
  }

  /// `GET /v1/responses/{id}/input_items`: the input of the response, and of the conversation before it.
  ///
  /// - SeeAlso: <https://platform.openai.com/docs/api-reference/responses/input-items>
  func inputItems(to out: inout Output) {
    let page: ItemPage
    do throws(APIError) {
      page = try ItemPage(context.parameters)
    } catch {
      return out.refuse(line, inOpenAIsForm: error)
    }
    var body = Bytes()
    let outcome = file.perform(.reading, at: context.time) { (database) throws(SQLiteFault) -> ItemPage.Outcome in
      body.removeAll(keeping: 0)
      guard let number = try database.find(id, of: context.owner, since: oldest),
        let chain = try database.chain(to: number)
      else { return .unknownResponse }
      return try database.append(page, of: chain.numbers, of: context.owner, to: &body)
    }
    if outcome == .unknownItem {
      return out.refuse(
        line,
        inOpenAIsForm: .invalid("Item with id '\(page.after?.clipped ?? "")' not found.", param: "after"))
    }
    answer(outcome.map { $0 == .done }, body, page.loss, to: &out)
  }

  /// Whether a parameter of the query asks for the seals of reasoning. If it asks for something else to be included,
  /// that is a loss, as it is in a request for a new response.
  static func asksForSeals(_ name: String, _ value: String, _ loss: inout LossLedger) -> Bool {
    guard name == "include" || name.hasPrefix("include[") else { return false }
    var asks = false
    for part in value.split(separator: ",") {
      if part == "reasoning.encrypted_content" {
        asks = true
      } else {
        loss.add("include", "dropped \(String(part).clipped)")
      }
    }
    return asks
  }

  /// - Parameter isFound: nil if the file can't be used.
  private func answer(_ isFound: Bool?, _ body: borrowing Bytes, _ loss: LossLedger, to out: inout Output) {
    guard let isFound else { return out.refuse(line, inOpenAIsForm: .unusable(file.trouble)) }
    guard isFound else { return out.refuse(line, inOpenAIsForm: .unknownResponse(id)) }
    var ctx = Bytes()
    ctx.append(object: line.ctx, setting: "translated") { $0.append(#""responses""#) }
    if !loss.isEmpty {
      let earlier = ctx.take()
      ctx.append(object: earlier.slice, adding: loss)
    }
    out.record(.begin, of: line.rid, isBare: line.isBare, ctx: ctx.slice) { $0.append(#"{"status":200,"headers":{}}"#) }
    out.record(.response, of: line.rid, isBare: line.isBare) { $0.append(body.slice) }
    out.end(line.rid, isBare: line.isBare)
  }
}
