// SPDX-License-Identifier: MIT
import JSONText
import NIOHTTP1
import Records
import Testing

@testable import HTTPFront

@Suite("what is asked for")
struct RequestTargetTests {
  private static func target(
    _ path: String, _ query: String? = nil, at authority: String? = nil, isWellFormed: Bool = true
  ) -> RequestTarget {
    var target = RequestTarget("/")
    (target.path, target.query, target.authority, target.isWellFormed) = (path, query, authority, isWellFormed)
    return target
  }

  @Test(arguments: [
    ("/a", target("/a")), ("/a?", target("/a", "")), ("/a?b?c", target("/a", "b?c")), ("//a/b", target("//a/b")),
    ("/?http://b/", target("/", "http://b/")), ("*", target("*")),
    ("http://a", target("/", at: "a")), ("HTTPS://A:1/b", target("/b", at: "A:1")),
    ("http://a?b=/c", target("/", "b=/c", at: "a")), ("http:///b", target("/b", at: "")),
    ("http://a@b/c", target("/c", at: "a@b")), ("http://a/b?c=://d/", target("/b", "c=://d/", at: "a")),
    ("/a#b", target("/a#b", isWellFormed: false)), ("/a?b#c", target("/a", "b#c", isWellFormed: false)),
    ("http://a#b", target("#b", at: "a", isWellFormed: false)), ("a", target("a", isWellFormed: false)),
    ("ftp://a/b", target("ftp://a/b", isWellFormed: false)), ("http:/a", target("http:/a", isWellFormed: false)),
    ("a:80", target("a:80", isWellFormed: false)), ("", target("", isWellFormed: false)),
  ])
  func forms(_ uri: String, _ target: RequestTarget) { #expect(RequestTarget(uri) == target) }
}

@Suite("headers and addresses")
struct HeaderTests {
  @Test(arguments: [
    ("application/json", true), ("Application/JSON ; charset=x", true), ("application/a+json", true),
    ("application/jsonx", false), ("text/plain", false), ("+json", false), ("", false),
  ])
  func contentTypes(_ type: String, _ isJSON: Bool) { #expect(Front.isJSON(type) == isJSON) }

  @Test(arguments: [
    ("http://a:1", "a:1", true), ("https://A", "a", true), ("http://a:1", "a", false), ("null", "a", false),
    ("http://", "", false), ("http://evil/a", "a", false),
  ])
  func origins(_ origin: String, _ host: String, _ isSame: Bool) {
    #expect(Front.isSameOrigin(origin, host: host) == isSame)
  }

  @Test(arguments: [
    ("127.0.0.1:80", ListenAddress.ip(host: "127.0.0.1", port: 80)), ("[::1]:0", .ip(host: "::1", port: 0)),
    ("localhost:1", .ip(host: "127.0.0.1", port: 1)), ("unix:/a:b", .unix(path: "/a:b")),
  ])
  func addresses(_ text: String, _ address: ListenAddress) throws {
    #expect(try ListenAddress(text) == address)
  }

  @Test(arguments: ["", "80", ":80", "::1:80", "a.b:80", "127.0.0.1:65536", "127.0.0.1:", "unix:"])
  func wrongAddresses(_ text: String) { #expect(throws: Failure.self) { try ListenAddress(text) } }
}

@Suite("records")
struct RecordTests {
  @Test("names are used once, and are found again in records")
  func names() {
    var maker = RIDMaker()
    var seen: Set<String> = []
    for _ in 0..<10_000 {
      let rid = maker.next()
      var text = rid.text
      #expect(text.utf8.count == 15 && seen.insert(text).inserted)
      #expect(text.withUTF8 { RID($0) } == rid)
    }
  }

  private func record(_ uri: String, _ headers: HTTPHeaders) -> String {
    var maker = RIDMaker()
    let rid = maker.next()
    var bytes = Bytes()
    RequestRecord.head(
      rid, HTTPRequestHead(version: .http1_1, method: .POST, uri: uri, headers: headers), target: RequestTarget(uri),
      route: RouteTable.builtIn.routes[0], dialect: .openai, id: nil, peer: "::1", time: 7, into: &bytes)
    return bytes.text.replacing(rid.text, with: "RID")
  }

  @Test("a request's record up to its body")
  func head() {
    let headers: HTTPHeaders = [
      "User-Agent": "a\"b", "Accept": "x", "accept": "y", "Authorization": "bearer s", "X-Stainless-Lang": "py",
      "Cookie": "s",
    ]
    #expect(
      record("/p?q=1&r", headers)
        == #"{"rid":"RID","ctx":{"op":"messages","dialect":"openai","http":{"method":"POST","path":"/p","query":"q=1&r","#
        + #""headers":{"user-agent":"a\"b","accept":"x, y","x-stainless-lang":"py"},"auth":"bearer","peer":"::1","#
        + #""time":7}},"request":"#)
    #expect(record("http://h/p", ["x-api-key": "s"]).contains(#""path":"/p","headers":{},"auth":"x-api-key""#))
  }

  @Test("the start of an answer")
  func start() throws {
    var text = #"{"status":201,"headers":{"A-B":"c\u00e9","x":"a\nb","n":1,"c d":"e","connection":"close"}}"#
    let start = try #require(text.withUTF8 { AnswerStart($0) })
    #expect(start.status == 201 && start.headers == ["a-b": "cé"])
    for wrong in ["{}", #"{"status":99}"#, #"{"status":"200"}"#, "1", #"{"status":1000}"#] {
      var wrong = wrong
      #expect(wrong.withUTF8 { AnswerStart($0) } == nil)
    }
  }

  @Test("what an end says")
  func end() {
    var text =
      #"{"model":"m","usage":{"input_tokens":1,"output_tokens":2,"x":{}},"loss":[{"field":"n","fate":"clamped"},{"field":"k"}],"#
      + #""error":{"type":"overloaded_error"}}"#
    let account = text.withUTF8 { Account(end: $0) }
    #expect(account.model == "m" && account.tokens == [1, 2, nil, nil] && account.error == "overloaded_error")
    #expect(account.loss.map { $0.field + " " + $0.fate } == ["n clamped", "k dropped"])
    var broken = #"{"loss":[{"field":"a"},"#
    #expect(broken.withUTF8 { Account(end: $0) } == Account())
  }

  /// Names and statuses of fixed lists; what is missing or odd is left out.
  @Test("the login's limits")
  func loginLimit() throws {
    var text =
      #"{"model":"m","login_limit":{"status":"allowed_warning","window":"five_hour","resets_at":1795365535,"windows":"#
      + #"{"five_hour":{"utilization":0.92,"resets_at":1795365535,"status":"x"},"seven_day":{"resets_at":1795900000},"#
      + #""a":{"utilization":0.5,"resets_at":1},"b\"x":{"utilization":0.75},"c":{"utilization":0.25},"#
      + #""seven_day_opus":{"utilization":-1,"resets_at":"soon"},"overage":1}}}"#
    let login = try #require(text.withUTF8 { Account(end: $0) }.login)
    #expect(
      login.windows == [
        "five_hour": .init(utilization: 0.92, resetsAt: 1_795_365_535), "seven_day": .init(resetsAt: 1_795_900_000),
        "other": .init(utilization: 0.75),
      ])
    #expect(login.status == "allowed_warning")
    for none in [#"{"login_limit":{}}"#, #"{"login_limit":3}"#, #"{"login_limit":{"windows":{"five_hour":{}}}}"#, "{}"]
    {
      var none = none
      #expect(none.withUTF8 { Account(end: $0) }.login == nil)
    }

    func lines(_ metrics: Metrics) -> [String] {
      metrics.text(inFlight: 0).split(separator: "\n").map(String.init).filter { $0.contains("login_limit") }
    }
    var metrics = Metrics()
    var account = Account()
    func add() {
      metrics.add(
        route: "/openai/v1/chat/completions", status: 200, seconds: 1, secondsToFirstEvent: nil, errorType: nil,
        account: account)
    }
    add()
    #expect(lines(metrics).isEmpty)
    account.login = login
    add()
    // What is known stays known.
    account.login = nil
    add()
    #expect(
      lines(metrics).filter { !$0.hasPrefix("#") } == [
        #"claude_proxy_login_limit_utilization{window="five_hour"} 0.92"#,
        #"claude_proxy_login_limit_utilization{window="other"} 0.75"#,
        #"claude_proxy_login_limit_reset_timestamp_seconds{window="five_hour"} 1795365535"#,
        #"claude_proxy_login_limit_reset_timestamp_seconds{window="seven_day"} 1795900000"#,
        #"claude_proxy_login_limit_status{status="allowed"} 0"#,
        #"claude_proxy_login_limit_status{status="allowed_warning"} 1"#,
        #"claude_proxy_login_limit_status{status="rejected"} 0"#,
        #"claude_proxy_login_limit_status{status="other"} 0"#,
      ])
  }

  @Test("errors in a stream that has begun")
  func events() {
    var maker = RIDMaker()
    let rid = maker.next()
    for (dialect, start) in [
      (Dialect.openai, #"data: {"error":{"type":"timeout_error","#), (.anthropic, "event: error\ndata: {"),
    ] {
      var bytes = Bytes()
      bytes.append(event: .timeout, dialect: dialect, rid: rid)
      #expect(bytes.text.hasPrefix(start) && bytes.text.hasSuffix("}\n\n"))
    }
  }
}

@Suite("metrics")
struct MetricsTests {
  @Test("counts and histograms")
  func counts() {
    var metrics = Metrics()
    var account = Account()
    account.model = "m"
    account.tokens = [3, 4, nil, nil]
    account.loss = [Account.Loss(field: "n", fate: "dropped")]
    metrics.add(
      route: "/openai/v1/chat/completions", status: 200, seconds: 0.3, secondsToFirstEvent: 0.01, errorType: nil,
      account: account)
    metrics.add(route: nil, status: 429, seconds: 700, secondsToFirstEvent: nil, errorType: nil, account: Account())
    let lines = Set(metrics.text(inFlight: 2).split(separator: "\n").map(String.init))
    for line in [
      #"claude_proxy_requests_total{route="/openai/v1/chat/completions",status="200"} 1"#,
      #"claude_proxy_requests_total{route="other",status="429"} 1"#,
      #"claude_proxy_request_duration_seconds_bucket{le="0.1"} 0"#,
      #"claude_proxy_request_duration_seconds_bucket{le="0.5"} 1"#,
      #"claude_proxy_request_duration_seconds_bucket{le="600"} 1"#,
      #"claude_proxy_request_duration_seconds_bucket{le="+Inf"} 2"#,
      "claude_proxy_request_duration_seconds_count 2", "claude_proxy_time_to_first_event_seconds_count 1",
      #"claude_proxy_tokens_total{model="m",kind="output"} 4"#, #"claude_proxy_loss_total{field="n"} 1"#,
      #"claude_proxy_errors_total{type="rate_limit_error"} 1"#, "claude_proxy_rate_limited_total 1",
      "claude_proxy_in_flight 2", "claude_proxy_pipeline_restarts_total 0",
    ] {
      #expect(lines.contains(line), "\(line)")
    }
    // The numbers are found without their names from the second time on.
    metrics.add(
      route: "/openai/v1/chat/completions", status: 200, seconds: 0.3, secondsToFirstEvent: 0.01, errorType: nil,
      account: account)
    let later = Set(metrics.text(inFlight: 2).split(separator: "\n").map(String.init))
    for line in [
      #"claude_proxy_requests_total{route="/openai/v1/chat/completions",status="200"} 2"#,
      #"claude_proxy_request_duration_seconds_bucket{le="0.5"} 2"#, "claude_proxy_request_duration_seconds_count 3",
      "claude_proxy_time_to_first_event_seconds_count 2", #"claude_proxy_tokens_total{model="m",kind="output"} 8"#,
    ] {
      #expect(later.contains(line), "\(line)")
    }
  }

  @Test("labels are bounded, and can't break out of their quotes")
  func labels() {
    var metrics = Metrics()
    for number in 0..<1_000 {
      for name in number > 0 ? ["model-\(number)"] : ["a\"} 1\n", "", "x\ty", String(repeating: "m", count: 65)] {
        var account = Account()
        account.model = name
        account.tokens = [1, nil, nil, nil]
        account.loss = [Account.Loss(field: name, fate: "dropped")]
        metrics.add(
          route: "/openai/v1/chat/completions", status: 100 + number % 900, seconds: nil, secondsToFirstEvent: nil,
          errorType: name,
          account: account)
      }
    }
    let lines = metrics.text(inFlight: 0).split(separator: "\n")
    for (family, most) in [
      ("tokens_total", 4 * (FrontLimits.maxLabels + 1)), ("loss_total", FrontLimits.maxLabels + 1),
      ("errors_total", FrontLimits.maxLabels + 1), ("requests_total", FrontLimits.maxAnswerLabels + 1),
    ] {
      let samples = lines.filter { $0.hasPrefix("claude_proxy_\(family){") }
      #expect(samples.count == most)
      #expect(samples.reduce(0) { $0 + (Int($1.split(separator: " ")[1]) ?? 0) } == 1_003)
    }
    #expect(lines.contains(#"claude_proxy_loss_total{field="other"} \#(1_003 - FrontLimits.maxLabels)"#))
  }
}
