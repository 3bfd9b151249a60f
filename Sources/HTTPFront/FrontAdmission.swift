// SPDX-License-Identifier: MIT
import JSONText
import NIOCore
import NIOHTTP1
import Records

extension Front {
  /// Lets a request in; else its refusal.
  func admit(_ exchange: Exchange) -> LocalAnswer? {
    let headers = exchange.head.headers
    if let error = wrongFraming(exchange) {
      exchange.keepsConnection = false
      return answer(error, to: exchange)
    }
    if let error = wrongHost(exchange) ?? wrongExpectation(headers) { return answer(error, to: exchange) }
    let origins = headers["origin"]
    if let origin = origins.first {
      if origins.count == 1, settings.origins.allows(origin) {
        exchange.origin = origin
      } else if origins.count > 1 || !Self.isSameOrigin(origin, host: headers.first(name: "host")) {
        return answer(APIError(status: 403, "requests from pages of this origin are not allowed"), to: exchange)
      }
      if exchange.origin != nil, exchange.head.method == .OPTIONS,
        headers.contains(name: "access-control-request-method")
      {
        return Origins.preflight(
          headers.first(name: "access-control-request-headers"),
          methods: settings.routes.methods,
          isPrivate: headers.contains(name: "access-control-request-private-network"))
      }
    }
    guard case .found(let route, let id, _) = exchange.match else { return unrouted(exchange) }
    if !headers.contains(name: "origin"), !settings.origins.allowsAll, Self.isForeign(headers, route) {
      return answer(APIError(status: 403, "requests from pages of other origins are not allowed"), to: exchange)
    }
    if let error = locked(exchange, route) { return answer(error, to: exchange) }
    let takesBody = Self.takesBody(headers, route)
    if takesBody {
      if let error = wrongContent(headers) { return answer(error, to: exchange) }
      if let length = headers.first(name: "content-length").flatMap({ Int($0) }), length > settings.maxBody {
        return answer(.tooLarge(settings.maxBody), to: exchange)
      }
    }
    if route.purpose == .relay, supervisor.inFlight >= settings.maxInFlight {
      return answer(.tooMany(settings.maxInFlight), to: exchange)
    }
    prepare(exchange, route, id: id, takesBody: takesBody)
    return nil
  }

  /// Whether a body is to be read: SDKs send none with some of their POSTs, such as the one that cancels a response.
  private static func takesBody(_ headers: HTTPHeaders, _ route: Route) -> Bool {
    switch route.body {
    case .none: return false
    case .required: return true
    case .optional:
      let length = headers.first(name: "content-length").flatMap { Int($0) } ?? 0
      return length > 0 || headers.contains(name: "transfer-encoding")
    }
  }

  /// Whoever stands between us and the client may see another end of this request than we do (RFC 9112, 6.1).
  private func wrongFraming(_ exchange: Exchange) -> APIError? {
    let head = exchange.head
    let codings = head.headers["transfer-encoding"].map(trimmed)
    if exchange.isOld, !codings.isEmpty { return .invalid("HTTP/1.0 knows no chunks") }
    // The decoder goes by the last of a list, and takes an empty one for none.
    guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" else {
      return .invalid("the transfer coding is not chunked alone")
    }
    // Gateways that hand headers on as variables make these two of them (RFC 3875, 4.1.18).
    if head.headers.contains(name: "content_length") || head.headers.contains(name: "transfer_encoding") {
      return .invalid("a header's name is nearly content-length or transfer-encoding")
    }
    if head.method == .CONNECT { return .invalid("CONNECT is for proxies of another kind") }
    let upgrades = head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
    // Who offers another protocol is served by this one; the decoder takes nothing more after it.
    if upgrades, head.headers.contains(name: "upgrade") { exchange.keepsConnection = false }
    return nil
  }

  /// A page that has made its name stand for our address is told from our own by that name.
  private func wrongHost(_ exchange: Exchange) -> APIError? {
    let target = exchange.target
    guard target.isWellFormed, target.path != "*" || exchange.head.method == .OPTIONS else {
      return .invalid("this is not the path or the URL of something here")
    }
    let isLocal = exchange.connection?.isLocal == true
    let given = exchange.head.headers["host"]
    if let good = goodHost, target.authority == nil, given.count == 1, given[0] == good.field, good.isLocal || !isLocal
    {
      return nil
    }
    let hosts = given.map(trimmed)
    guard hosts.count == 1 || hosts.isEmpty && exchange.isOld else {
      return .invalid("there are \(hosts.count) host headers; expected one")
    }
    // The target's is the one that counts (RFC 9112, 3.2.2), but others may have gone by the header.
    if let authority = target.authority, let host = hosts.first, authority.lowercased() != host.lowercased() {
      return .invalid("the host header and the request's URL name different hosts")
    }
    guard let host = target.authority ?? hosts.first else { return nil }
    guard Hosts.name(of: host) != nil || host.isEmpty && !isLocal else {
      return .invalid("the host header names no host")
    }
    if !isLocal || settings.hosts.allows(host) {
      if target.authority == nil { goodHost = (given[0], isLocal) }
      return nil
    }
    return APIError(status: 403, "this server isn't called \(echo(host)); ALLOWED_HOSTS would have to name it")
  }

  /// There is one expectation that can be met (RFC 9110, 10.1.1).
  private func wrongExpectation(_ headers: HTTPHeaders) -> APIError? {
    let isKnown = headers[canonicalForm: "expect"].allSatisfy { $0.lowercased() == "100-continue" }
    return isKnown ? nil : APIError(status: 417, "the only expectation that can be met is 100-continue")
  }

  /// What is not said to be JSON, plainly, is not read as JSON (RFC 9110, 8.3 and 8.4).
  private func wrongContent(_ headers: HTTPHeaders) -> APIError? {
    let types = headers["content-type"]
    guard types.count <= 1, Self.isJSON(types.first) else {
      return APIError(
        status: 415, "the content type is \(types.first.map(echo) ?? "not given"); expected application/json, once")
    }
    guard headers[canonicalForm: "content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
      return APIError(
        status: 415, "the body is encoded; expected it without a content-encoding",
        headers: [("accept-encoding", "identity")])
    }
    return nil
  }

  /// Fields that had to be known before the body, or be checked (RFC 9110, 6.5.1); others are passed over.
  private static let notTrailers: Set<String> = [
    "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host",
    "origin", "te", "trailer", "transfer-encoding", "upgrade", "x-api-key", "x-forwarded-for",
  ]

  /// What is wrong with the headers behind a body.
  func wrongTrailers(_ trailers: HTTPHeaders) -> APIError? {
    guard let wrong = trailers.first(where: { Self.notTrailers.contains($0.name.lowercased()) }) else { return nil }
    return .invalid("\(echo(wrong.name.lowercased())) can't come after the body")
  }

  /// Lets in who has a token, where there are any; else why not.
  private func locked(_ exchange: Exchange, _ route: Route) -> APIError? {
    guard !tokens.isEmpty else { return nil }
    switch route.purpose {
    case .page, .description, .live, .health, .ready: return nil
    case .relay, .detailed, .metrics: break
    }
    let headers = exchange.head.headers
    var given = headers["x-api-key"]
    for value in headers["authorization"] where value.prefix(7).lowercased() == "bearer " {
      given.append(trimmed(value.dropFirst(7)))
    }
    // Each is compared with all tokens; a client sends one, or the same in both ways.
    for value in given.prefix(FrontLimits.maxTokensTried) {
      if let name = tokens.name(of: value) {
        exchange.key = name
        return nil
      }
    }
    let message =
      given.isEmpty ? "a token is needed: authorization: Bearer, or x-api-key" : "the token is not one of ours"
    return APIError(status: 401, message, headers: [("www-authenticate", "Bearer")])
  }

  private func unrouted(_ exchange: Exchange) -> LocalAnswer {
    let method = exchange.head.method
    guard case .wrongMethod(let allowed) = exchange.match else {
      if method == .OPTIONS, exchange.head.uri == "*" { return .options(settings.routes.methods) }
      return answer(APIError(status: 404, "there is nothing at \(echo(exchange.path))"), to: exchange)
    }
    if method == .OPTIONS { return .options(allowed) }
    return answer(
      APIError(
        status: 405, "\(echo(exchange.path)) takes \(allowed.joined(separator: ", ")), not \(echo(method.rawValue))",
        headers: [("allow", allowed.joined(separator: ", "))]), to: exchange)
  }

  /// Begins the request's record.
  private func prepare(_ exchange: Exchange, _ route: Route, id: String?, takesBody: Bool) {
    exchange.collects = exchange.isHead
    switch route.purpose {
    case .live, .page, .description: return
    case .health, .ready, .detailed, .metrics:
      exchange.collects = true
      exchange.deadline = exchange.startedAt + .seconds(FrontLimits.healthTimeout)
    case .relay: break
    }
    if takesBody { exchange.check = JSONCheck(maxNodes: settings.maxNodes) }
    var head = Bytes()
    exchange.timeAt = RequestRecord.head(
      exchange.rid, exchange.head, target: exchange.target, route: route, dialect: exchange.dialect, id: id,
      peer: exchange.peer, key: exchange.key, time: microseconds(), into: &head)
    let length = exchange.head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
    exchange.bodyLength = length
    exchange.record.reserveCapacity(head.count + min(length, 1 << 20) + Exchange.endOfRecord)
    exchange.record.writeBytes(head.slice)
  }

  /// Serves a request that is whole.
  func serve(_ exchange: Exchange) {
    guard let route = exchange.route else { return }
    switch route.purpose {
    case .live, .page, .description: exchange.connection?.answer(exchange, own(route.purpose, exchange))
    case .relay, .health, .ready, .detailed, .metrics:
      if exchange.check == nil { exchange.record.writeStaticString("null") }
      exchange.record.writeStaticString("}\n")
      submit(exchange)
    }
  }

  func answer(_ error: APIError, to exchange: Exchange) -> LocalAnswer { LocalAnswer(error, rid: exchange.rid) }

  /// `application/json`, with parameters or without, or `…+json`.
  static func isJSON(_ type: String?) -> Bool {
    guard let type else { return false }
    // As nearly all clients write it.
    if type == "application/json" { return true }
    var essence = type.prefix { $0 != ";" }.lowercased()
    while let last = essence.last, last == " " || last == "\t" { essence.removeLast() }
    guard essence.utf8.allSatisfy({ isHostByte($0) || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "+") }) else {
      return false
    }
    return essence == "application/json" || essence.hasSuffix("+json") && essence.contains("/")
  }

  /// Whether a page of that origin was served by the host that the request names.
  static func isSameOrigin(_ origin: String, host: String?) -> Bool {
    guard let host, !host.isEmpty else { return false }
    return origin.lowercased() == "http://" + host.lowercased() || origin.lowercased() == "https://" + host.lowercased()
  }
}

extension Front {
  /// Whether a page of another origin makes this request, which names no origin: an image's, a script's, a frame's.
  ///
  /// Browsers say where such a request comes from in a header of their own. A link to one of our pages may be followed;
  /// no link asks the backend.
  ///
  /// - SeeAlso: <https://www.w3.org/TR/fetch-metadata/>
  static func isForeign(_ headers: HTTPHeaders, _ route: Route) -> Bool {
    guard let site = headers.first(name: "sec-fetch-site"), site == "cross-site" || site == "same-site" else {
      return false
    }
    let isLink =
      headers.first(name: "sec-fetch-mode") == "navigate" && headers.first(name: "sec-fetch-dest") == "document"
    return route.purpose == .relay || !isLink
  }
}

extension APIError {
  static func tooLarge(_ limit: Int) -> APIError {
    APIError(status: 413, "the body is larger than \(limit) bytes")
  }
  static func tooMany(_ limit: Int) -> APIError {
    APIError(status: 429, "\(limit) requests are being answered already", headers: [("retry-after", "1")])
  }
  static func notJSON(_ fault: JSONCheck.Fault) -> APIError {
    .invalid("the body is not valid JSON: at byte \(fault.offset), \(fault.reason)")
  }
  static func malformed(_ error: HTTPParserError) -> APIError {
    error == .headerOverflow
      ? APIError(status: 431, "the request's headers are too large")
      : .invalid("this is not an HTTP request: \(error)")
  }
  static let slowHead = APIError(status: 408, "the rest of the request's head did not come in time")
  static let slowBody = APIError(status: 408, "the rest of the request's body did not come in time")
  static let notObject = APIError.invalid("the body is JSON, but not an object")
  static let overloaded = APIError(
    status: 529, "too many bytes are waiting already", headers: [("retry-after", "5")])
  static let pipelineDown = APIError(
    status: 503, "the pipeline is being restarted", headers: [("retry-after", "1")])
  static let pipelineEnded = APIError(status: 502, "the pipeline ended before the answer was complete")
  static let pipelineStuck = APIError(
    status: 503, "the pipeline did not take this request in time; a new one is being started",
    headers: [("retry-after", "1")])
  static let brokenRecord = APIError(status: 502, "the pipeline's answer can't be read")
  static let noContext = APIError(
    status: 502, "the answer lacks the \"ctx\" of its request; does a filter drop it?")
  static let noAnswer = APIError(status: 502, "the pipeline ended this request without an answer")
  static let stopping = APIError(status: 503, "the server is shutting down", headers: [("retry-after", "5")])
  static let timeout = APIError(status: 504, "the answer took too long")
}
