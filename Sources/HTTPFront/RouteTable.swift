// SPDX-License-Identifier: MIT
import NIOHTTP1
import Records

/// All routes. The front knows the APIs only by this table.
package struct RouteTable: Sendable {
  /// The routes of the settings, then the built-in routes that they do not replace.
  package let routes: [Route]
  /// The routes whose paths have no open segment, by path.
  private let exact: [String: [Route]]
  private let open: [Route]
  /// The methods that some route takes, and the methods that every path takes.
  package let methods: [String]

  private init(_ routes: [Route]) {
    self.routes = routes
    exact = Dictionary(grouping: routes.filter { !$0.isOpen }, by: \.path)
    open = routes.filter(\.isOpen)
    methods = Self.allowed(by: routes)
  }

  /// The routes of a program without settings.
  package static let builtIn: RouteTable = {
    do throws(Failure) {
      return RouteTable(try routes(of: builtInLines, isBuiltIn: true))
    } catch {
      fatalError(error.message)
    }
  }()

  /// The built-in routes, and before them those that the settings name.
  ///
  /// - Parameter text: lines, or parts with semicolons between them; those that are empty or begin with `#` are skipped.
  /// - Throws: ``Failure`` that names the line.
  package init(adding text: String) throws(Failure) {
    let own = try Self.routes(of: text, isBuiltIn: false)
    let replaced = Set(own.map { Self.key(of: $0) })
    self.init(own + Self.builtIn.routes.filter { !replaced.contains(Self.key(of: $0)) })
  }

  /// Routes with the same key would match the same requests.
  private static func key(of route: Route) -> String { route.method.rawValue + " " + route.shape }

  private static func routes(of text: String, isBuiltIn: Bool) throws(Failure) -> [Route] {
    var routes: [Route] = []
    var numbers: [String: Int] = [:]
    let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline || $0 == ";" }
    for (index, line) in lines.enumerated() {
      let number = index + 1
      guard let first = line.first(where: { !$0.isWhitespace }), first != "#" else { continue }
      func fail(_ message: String) -> Failure {
        let quoted = clipped(line.trimmingSpaces, to: FrontLimits.maxEcho)
        return Failure(.usage, "--routes (ROUTES): line \(number), \"\(quoted)\": \(message)")
      }
      let route: Route
      do throws(Route.Fault) {
        route = try Route(line: line, isBuiltIn: isBuiltIn)
      } catch {
        throw fail(error.message)
      }
      if !isBuiltIn, builtIn.exact[route.path]?.contains(where: { $0.purpose != .relay }) == true {
        throw fail("the server answers \(route.path) by itself; choose another path")
      }
      if let earlier = numbers.updateValue(number, forKey: key(of: route)) {
        throw fail("line \(earlier) has the same method and path; remove one of the two lines")
      }
      routes.append(route)
      guard routes.count <= FrontLimits.maxRoutes else {
        throw fail("there are more than \(FrontLimits.maxRoutes) routes; remove some")
      }
    }
    return routes
  }

  // MARK: Finding

  package enum Match {
    /// - Parameter dialect: the dialect of the route; if the route leaves it open, that of the API that the path names.
    case found(Route, id: String?, dialect: Dialect)
    /// The path is known, and takes only these methods.
    case wrongMethod(allowed: [String])
    case unknown
  }

  /// Finds the route of a path (without its query), written in its canonical form or as a base URL makes it.
  package func find(_ method: HTTPMethod, _ path: String) -> Match {
    let match = find(method, canonical: path, named: nil)
    // Nearly all paths are canonical, so the others are taken apart only if this search fails.
    guard case .unknown = match, let asked = RoutePath(path) else { return match }
    return find(method, canonical: asked.canonical, named: asked.dialect)
  }

  /// HEAD matches the routes of GET. A path without open segments hides paths with them: `input_tokens` is never the id
  /// of a response.
  private func find(_ method: HTTPMethod, canonical path: String, named dialect: Dialect?) -> Match {
    let wanted = method == .HEAD ? .GET : method
    func found(_ route: Route, _ id: String) -> Match {
      // If a route for messages leaves the API open, a setting or oai2anth decides, not the path.
      let isOpen = route.dialect == .auto && route.op != .messages
      return .found(route, id: id.isEmpty ? nil : id, dialect: isOpen ? dialect ?? .auto : route.dialect)
    }
    if let named = exact[path] {
      guard let route = named.first(where: { $0.method == wanted }) else {
        return .wrongMethod(allowed: Self.allowed(by: named))
      }
      return found(route, "")
    }
    var matching: [Route] = []
    for route in open {
      guard let id = route.match(path) else { continue }
      if route.method == wanted { return found(route, id) }
      matching.append(route)
    }
    return matching.isEmpty ? .unknown : .wrongMethod(allowed: Self.allowed(by: matching))
  }

  private static func allowed(by routes: [Route]) -> [String] {
    var allowed: [String] = []
    for method in [HTTPMethod.GET, .HEAD, .POST, .PUT, .PATCH, .DELETE] {
      let wanted = method == .HEAD ? .GET : method
      if routes.contains(where: { $0.method == wanted }) { allowed.append(method.rawValue) }
    }
    return allowed + ["OPTIONS"]
  }

  // MARK: The built-in routes

  /// The route of the health requests that the front sends by itself.
  static let ready = builtIn.routes.first { $0.purpose == .ready }!

  private static let builtInLines = """
    POST   /openai/v1/chat/completions                messages         openai
    GET    /openai/v1/models                          models           openai
    GET    /openai/v1/models/{id}                     model            openai
    POST   /v1/messages                               messages         anthropic
    POST   /v1/messages/count_tokens                  count_tokens     anthropic
    POST   /v1/chat/completions                       messages         auto
    GET    /v1/models                                 models           auto
    GET    /v1/models/{id}                            model            auto
    GET    /health                                    health           front
    GET    /health/live                               live             front
    GET    /health/ready                              ready            front
    GET    /health/detailed                           detailed         front
    GET    /metrics                                   metrics          front
    GET    /                                          page             front
    GET    /openapi.json                              description      front
    """
    + twice(
      """
      POST   /responses                               messages         responses
      GET    /responses                               websocket        responses
      POST   /responses/input_tokens                  count_tokens     responses
      POST   /responses/compact                       compact_response responses
      GET    /responses/{id}                          response         responses
      DELETE /responses/{id}                          delete_response  responses
      GET    /responses/{id}/input_items              input_items      responses
      POST   /responses/{id}/cancel                   cancel_response  responses
      POST   /conversations                           conversations    responses
      GET    /conversations/{id}                      conversations    responses
      POST   /conversations/{id}                      conversations    responses
      DELETE /conversations/{id}                      conversations    responses
      GET    /conversations/{id}/items                conversations    responses
      POST   /conversations/{id}/items                conversations    responses
      GET    /conversations/{id}/items/{item}         conversations    responses
      DELETE /conversations/{id}/items/{item}         conversations    responses
      """)

  /// The lines of an API under both prefixes that its clients use in their base URLs.
  private static func twice(_ lines: String) -> String {
    ["/openai/v1/", "/v1/"].map { place in
      lines.split(separator: "\n").map { line in
        let slash = line.firstIndex(of: "/")!
        return "\n" + line[..<slash] + place + line[line.index(after: slash)...]
      }.joined()
    }.joined()
  }
}

extension Substring {
  fileprivate var trimmingSpaces: String {
    let inside = drop { $0.isWhitespace }
    return String(
      inside.prefix(upTo: inside.lastIndex { !$0.isWhitespace }.map(inside.index(after:)) ?? inside.endIndex))
  }
}
