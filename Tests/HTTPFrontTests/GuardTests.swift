// SPDX-License-Identifier: MIT
import Records
import Testing

@testable import HTTPFront

@Suite("who is let in")
struct GuardTests {
  @Test("tokens by their names")
  func tokens() throws {
    var tokens = Tokens()
    #expect(tokens.isEmpty && tokens.name(of: "") == nil)
    try tokens.add(lines: "# staff\nann:secret-1\r\n\nsecret-2\nbob:a:b\nann:new")
    for (given, name) in [("secret-1", "ann"), ("secret-2", "token-4"), ("a:b", "bob"), ("new", "ann")] {
      #expect(tokens.name(of: given) == name)
    }
    for given in ["", "s", "secret-", "secret-3", "secret-11", "newnew", "ann:secret-1", "bob"] {
      #expect(tokens.name(of: given) == nil)
    }
  }

  @Test(
    "no secret in what is said of a wrong line",
    arguments: [":secret", "a b:secret", "a:", "a:secret x", "ä:secret", "a:sécret"])
  func wrongTokens(_ line: String) {
    var tokens = Tokens()
    let failure = #expect(throws: Failure.self) { try tokens.add(lines: "x:y\n" + line) }
    #expect(failure?.kind == .configuration && failure?.message.contains("line 2") == true)
    #expect(failure?.message.contains("secret") == false)
  }

  @Test(arguments: [
    ("localhost", true), ("LocalHost:80", true), ("127.0.0.1:8000", true), ("127.9.9.9", true), ("[::1]", true),
    ("[::1]:1", true), ("my.name", true), ("my.name:7", true), ("port.only:7", true), ("port.only:8", false),
    ("evil.example", false), ("localhost.evil.example", false), ("127.0.0.1.evil.example", false), ("", false),
    ("localhost:", true), ("localhost:x", false), ("user@localhost", false), ("localhost, evil", false),
    ("[::1", false), ("[::2]", false), ("0.0.0.0", false), ("127.1", false), ("localhost:80:80", false),
    ("localhost:65535", true), ("localhost:65536", false), ("localhost:99999999999999999999", false),
    ("localhost:-1", false), ("localhost:+1", false), ("[::1]x", false), ("[::1%25lo]", false), ("localhost.", false),
  ])
  func hosts(_ host: String, _ isAllowed: Bool) {
    #expect(Hosts("my.name, port.only:7").allows(host) == isAllowed)
  }

  @Test(arguments: [
    ("https://a.example", true), ("HTTPS://A.example", true), ("https://a.example:8443", false),
    ("http://a.example", false), ("https://a.example.evil", false), ("http://localhost:3000", true),
    ("http://localhost:", false), ("http://localhost:1.evil.example", false), ("http://localhost", false),
    ("https://x.b.example", true), ("https://x.y.b.example", true), ("https://b.example", false),
    ("https://evil/.b.example", false), ("https://evil:1.b.example", false), ("null", false), ("", false),
  ])
  func origins(_ origin: String, _ isAllowed: Bool) throws {
    let origins = try Origins("https://a.example, http://localhost:*,https://*.b.example")
    #expect(origins.allows(origin) == isAllowed && !Origins.none.allows(origin))
    #expect(try Origins("*").allows(origin))
  }

  @Test(arguments: ["a.example", "ftp://a", "https://*.*", "https://a/", "null"])
  func wrongOrigins(_ list: String) { #expect(throws: Failure.self) { try Origins(list) } }

  @Test(arguments: [
    ("192.0.2.1", ["203.0.113.9"], "203.0.113.9"), ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
    ("192.0.2.1", ["1.1.1.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"), ("192.0.2.1", ["1.1.1.1", "8.8.8.8"], "8.8.8.8"),
    ("192.0.2.1", ["1.1.1.1, garbage"], "unknown"), ("192.0.2.1", ["garbage, 10.0.0.1"], "unknown"),
    ("192.0.2.1", [""], "unknown"), ("192.0.2.1", [" , "], "unknown"), ("unix", ["127.evil"], "unknown"),
    ("192.0.2.1", ["unknown"], "unknown"), ("192.0.2.1", ["_hidden"], "unknown"), ("192.0.2.1", ["unix"], "unknown"),
    ("192.0.2.1", ["127.0.0.1x, 10.0.0.1"], "unknown"), ("192.0.2.1", ["2001:DB9:0::1"], "2001:db9::1"),
    ("192.0.2.1", ["::ffff:203.0.113.9"], "203.0.113.9"), ("192.0.2.1", ["fe80::1%eth0"], "fe80::1"),
    ("192.0.2.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
    ("192.0.2.1", [], "192.0.2.1"), ("::ffff:192.0.2.1", ["203.0.113.9:4711"], "203.0.113.9"),
    ("2001:db8::5", ["[2001:db9::1]:80"], "2001:db9::1"), ("unix", ["203.0.113.9"], "203.0.113.9"),
    ("10.255.0.1", ["203.0.113.9"], "203.0.113.9"), ("11.0.0.1", ["203.0.113.9"], "11.0.0.1"),
  ])
  func proxies(_ peer: String, _ forwarded: [String], _ client: String) throws {
    let proxies = try TrustedProxies("192.0.2.1, 10.0.0.0/8,2001:db8::/33, unix")
    #expect(proxies.client(of: peer, forwarded: forwarded) == client)
    #expect(TrustedProxies.none.client(of: peer, forwarded: forwarded) == peer)
  }

  @Test(arguments: ["a", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/x", "10.0.0.0/8/8"])
  func wrongProxies(_ list: String) { #expect(throws: Failure.self) { try TrustedProxies(list) } }

  @Test("what is repeated of a request ends at the end of a character")
  func clips() {
    #expect(clipped("abc", to: 3) == "abc" && clipped("abcd", to: 3) == "abc" && clipped("", to: 0) == "")
    #expect(clipped("aé", to: 2) == "a" && clipped("é", to: 1) == "" && clipped("a😀b", to: 4) == "a")
    #expect(echo("short") == "short" && echo(String(repeating: "é", count: 200)).utf8.count == 256 + 3)
  }

  @Test("descriptors are kept back for pipelines", arguments: [(64, 12, 1), (256, 12, 1), (1_024, 20, 4), (32, 12, 1)])
  func descriptors(_ limit: Int, _ open: Int, _ pipelines: Int) {
    let connections = DescriptorBudget.connections(limit: limit, open: open, pipelines: pipelines)
    #expect(connections >= 1 && (connections == 1 || connections + open + 32 + 4 * pipelines == limit))
  }

  @Test("as many as there is room for, in all and from each address")
  func crowd() {
    var crowd = Crowd(most: 5, mostFromOne: 2)
    #expect([crowd.enter("a"), crowd.enter("a"), crowd.enter("a")] == [true, true, false])
    #expect([crowd.enter("b"), crowd.enter(nil), crowd.enter(nil), crowd.enter("c")] == [true, true, true, false])
    crowd.leave("a")
    #expect([crowd.enter("a"), crowd.enter(nil)] == [true, false])
    for address in ["a", "a", "b", nil, nil] { crowd.leave(address) }
    #expect(crowd.count == 0 && crowd.addresses == 0)
  }
}
