// SPDX-License-Identifier: MIT
import JSONText
import Jansson
import Records
import Testing

@testable import ClaudeCLI

@Suite("carriers")
struct CarrierTests {
  private static func body(_ messages: String, _ more: String = "") -> String {
    #"{"model":"claude-x","max_tokens":5,"messages":[\#(messages)]\#(more)}"#
  }

  private static func user(_ content: String) -> String { #"{"role":"user","content":\#(content)}"# }
  private static func assistant(_ content: String) -> String { #"{"role":"assistant","content":\#(content)}"# }

  private static let plain = body(user(#""hi""#))

  @Test("the table")
  func table() throws {
    let fits = try request(Self.plain)
    let other = try request(Self.body(Self.user(#""hi""#) + "," + Self.assistant(#""so""#)))
    let rows: [(Auth, Carrier?, Carrier, Carrier)] = [
      (.login, nil, .replay, .native), (.login, .native, .native, .native), (.login, .replay, .replay, .native),
      (.login, .verbatim, .replay, .native), (.key, nil, .verbatim, .verbatim), (.key, .native, .native, .native),
      (.key, .replay, .replay, .native), (.key, .verbatim, .verbatim, .verbatim),
    ]
    for (auth, wish, one, two) in rows {
      #expect(Carrier.of(auth, wish: wish, fits) == one)
      #expect(Carrier.of(auth, wish: wish, other) == two)
      let ahead = Carrier.ahead(auth, wish: wish)
      #expect(ahead == (one == .native ? nil : one))
    }
  }

  @Test(
    "what can be said again",
    arguments: [
      user(#""hi""#), user(#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#),
      user(#""a""#) + "," + assistant(#""b""#) + "," + user(#""c""#),
      user(#""a""#) + "," + assistant(#"[{"type":"thinking","thinking":"t","signature":"s"}]"#) + "," + user(#""c""#),
      user(#""a""#) + "," + assistant(#"[{"type":"tool_use","id":"t","name":"f","input":{}}]"#) + ","
        + user(#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}]}]"#),
      user(#"[{"type":"tool_result","tool_use_id":"t"}]"#),
      user(#"[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]"#),
      user(#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"}}]"#),
    ])
  func replayable(_ messages: String) throws {
    #expect(try request(Self.body(messages)).isReplayable)
  }

  @Test(
    "what can't",
    arguments: [
      user(#""""#), user("[]"), user(#"[{"type":"text","text":""}]"#), user(#"[{"type":"text"}]"#),
      user(#""a""#) + "," + assistant(#""b""#), assistant(#""b""#) + "," + user(#""c""#),
      user(#""a""#) + "," + assistant(#""""#) + "," + user(#""c""#),
      user(#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]"#),
      user(#"[{"type":"image"}]"#),
      user(#"[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"aGk="}}]"#),
      user(#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url"}}]}]"#),
      user(#"[{"type":"of_the_future"}]"#), user(#"[1]"#),
      (0..<11).map { _ in user(#""a""#) + "," + assistant(#""b""#) }.joined(separator: ",") + "," + user(#""c""#),
    ])
  func notReplayable(_ messages: String) throws {
    #expect(try !request(Self.body(messages)).isReplayable)
  }

  @Test("a process follows what it served, where nothing of that can show")
  func follows() {
    let cli = Installation.CLI(path: "/c", version: CLIVersion(2, 1, 330), auth: .login, isAuthenticated: true)
    func need(_ carrier: Carrier, _ caller: String?, _ hasSystem: Bool, betas: [String] = []) -> Need {
      var key = ProcessKey(cli, carrier)
      key.betas = betas
      return Need(key: key, caller: caller, hasSystem: hasSystem)
    }
    #expect(need(.replay, nil, false).follows(need(.replay, nil, false)))
    #expect(need(.replay, "a", true).follows(need(.replay, "a", false)))
    #expect(!need(.replay, "a", false).follows(need(.replay, "a", true)))
    #expect(!need(.replay, "a", true).follows(need(.replay, "b", true)))
    #expect(!need(.replay, "a", true).follows(need(.replay, nil, true)))
    #expect(need(.verbatim, "a", false).follows(need(.verbatim, "b", true)))
    #expect(!need(.verbatim, "a", false).follows(need(.verbatim, "a", false, betas: ["x"])))
    #expect(!need(.replay, nil, false).follows(need(.verbatim, nil, false)))
  }

  @Test("a conversation is said in pieces, each user turn awaited before what follows")
  func frames() throws {
    var number = 0
    let freight = Freight(
      try request(
        Self.body(
          [
            Self.user(#""one""#), Self.user(#"[{"type":"text","text":"more"}]"#), Self.assistant(#""two""#),
            Self.user(#""three""#), Self.assistant(#""four""#), Self.user(#""five""#),
          ].joined(separator: ","), #","system":"S","temperature":0.5"#)), carrier: .replay, auth: .login
    ) {
      number += 1
      return "id-\(number)"
    }
    #expect(freight.transcript.isEmpty && freight.losses.isEmpty && freight.settingsID == "id-1")
    var start = 0
    let ends = freight.pauses.map(\.at) + [freight.frames.count]
    let pieces = ends.map { end in
      defer { start = end }
      return freight.frames.slice.cut(start, end).text.split(separator: "\n").map { try? JSON.parse(String($0)) }
    }
    #expect(freight.pauses.map(\.id) == [pieces[0].last??["uuid"]?.string, pieces[1].last??["uuid"]?.string])
    #expect(pieces.map(\.count) == [4, 2, 2])
    #expect(
      pieces[0][3]?["message"]?["content"]?.text == #"[{"type":"text","text":"one"},{"type":"text","text":"more"}]"#)
    #expect(pieces[1][0]?["message"]?["content"]?.text == #"[{"type":"text","text":"two"}]"#)
    #expect(pieces[2][1]?["shouldQuery"] == nil)
    #expect(
      pieces.joined().filter { $0?["type"]?.string == "user" }.allSatisfy { $0?["client_composed"]?.bool == true })
  }
}
