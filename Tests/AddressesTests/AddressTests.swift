// SPDX-License-Identifier: MIT
import Testing

@testable import Addresses

@Suite("addresses")
struct AddressTests {
  @Test(
    "canonical form, and what counts as one client",
    arguments: [
      ("192.0.2.1", "192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
      ("::FFFF:c000:201", "192.0.2.1", "192.0.2.1"), ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
      ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", "2001:db8::/64"),
      ("2001:0db8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
      ("2001:db8:1:2::", "2001:db8:1:2::", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::1", "fe80::/64"),
      ("fe80::1%25eth0", "fe80::1", "fe80::/64"), ("::", "::", "::/64"),
    ])
  func forms(_ text: String, _ canonical: String, _ client: String) {
    let address = IPAddress(text)
    #expect(address?.text == canonical && address?.client == client)
  }

  @Test(arguments: [
    "", "1.2.3", "127.1", "127.0.0.1.evil.example", "0x7f.0.0.1", "0177.0.0.1x", "1.2.3.4%eth0", "::1%", "::g",
    "1::2::3",
    "unix", "127.0.0.1 ", "2130706433",
  ])
  func noAddresses(_ text: String) { #expect(IPAddress(text) == nil) }

  @Test(
    "what is in a network",
    arguments: [
      ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3/8", "10.9.9.9", true),
      ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("0.0.0.0/0", "255.0.0.1", true),
      ("0.0.0.0/0", "::1", false), ("192.0.2.0/31", "192.0.2.1", true), ("192.0.2.0/31", "192.0.2.2", false),
      ("192.0.2.1/32", "::ffff:192.0.2.1", true), ("2001:db8::/33", "2001:db8:7fff::1", true),
      ("2001:db8::/33", "2001:db8:8000::1", false), ("::/0", "2001:db8::1", true), ("::1/128", "::1", true),
    ])
  func networks(_ network: String, _ address: String, _ isInside: Bool) throws {
    let address = try #require(IPAddress(address))
    #expect(try IPNetwork(network).contains(address) == isInside)
  }

  @Test(
    "a text that names no network says what was expected",
    arguments: [
      ("10.0.0.0/99", "a prefix length from 0 to 32"), ("10.0.0.0/33", "a prefix length from 0 to 32"),
      ("10.0.0.0/-1", "a prefix length"), ("10.0.0.0/+8", "a prefix length"), ("10.0.0.0/", "a prefix length"),
      ("10.0.0.0/8/8", "a prefix length"), ("10.0.0.0/ 8", "a prefix length"), ("10.0.0.0/0008", "a prefix length"),
      ("10.0.0.0/255.0.0.0", "a prefix length"), ("2001:db8::/129", "a prefix length from 0 to 128"),
      ("10.0.0/8", "an address or a network"), ("/8", "an address or a network"), ("", "an address or a network"),
      ("some/8", "an address or a network"),
    ])
  func noNetworks(_ text: String, _ expected: String) {
    let error = #expect(throws: IPNetwork.Invalid.self) { try IPNetwork(text) }
    #expect(error?.message.hasPrefix("\(text): expected \(expected)") == true)
  }

  @Test(
    "what is local",
    arguments: [
      ("127.0.0.1", true), ("127.9.9.9:80", true), ("[::1]:80", true), ("::1", true), ("0:0:0:0:0:0:0:1", true),
      ("[::ffff:127.0.0.1]:5", true), ("::1%lo", true), ("unix", true), ("unix:", true), ("unix:/run/x", true),
      ("128.0.0.1", false), ("127.evil.example", false), ("127.0.0.1.evil:80", false), ("::2", false), ("", false),
      ("unknown", false), ("unixx", false), ("pipe", false), ("garbage", false), ("::127.0.0.1", false),
      ("127.0.0.1, 1.2.3.4", false), ("[::1", false),
    ])
  func local(_ text: String, _ isLocal: Bool) { #expect(Peer(text).isLocal == isLocal) }

  @Test(
    "who counts as one client",
    arguments: [
      ("203.0.113.9:5000", "203.0.113.9"), ("[2001:db8::1]:443", "2001:db8::/64"),
      ("2001:db8::ffff:1", "2001:db8::/64"), ("[::ffff:203.0.113.9]:1", "203.0.113.9"), ("unix:/a", "unix"),
      ("anything", "unknown"), ("_hidden", "unknown"), ("", "unknown"), ("pipe", "unknown"), ("1.2.3.4:5:6", "unknown"),
    ])
  func clients(_ text: String, _ client: String) { #expect(Peer(text).client == client) }
}
