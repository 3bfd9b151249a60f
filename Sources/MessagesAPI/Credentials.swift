// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records

/// What pays for the requests. Its values go into headers and nowhere else.
package struct Credentials: Sendable {
  private let key: String?
  private let token: String?

  /// - Parameters:
  ///   - key: ANTHROPIC_API_KEY, the header `x-api-key`.
  ///   - token: ANTHROPIC_AUTH_TOKEN, the header `authorization`.
  /// - Throws: where one can't stand in a header.
  package init(key: String?, token: String?) throws(Failure) {
    self.key = try Self.checked(key, "ANTHROPIC_API_KEY")
    self.token = try Self.checked(token, "ANTHROPIC_AUTH_TOKEN")
  }

  /// The value without the white space around it; nil for none.
  private static func checked(_ value: String?, _ name: String) throws(Failure) -> String? {
    guard let value else { return nil }
    func isSpace(_ byte: UInt8) -> Bool { Scan.isSpace(byte) }
    let bytes = value.utf8.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    guard !bytes.isEmpty else { return nil }
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw Failure(.configuration, "\(name) holds what can't stand in a header")
    }
    return String(decoding: Array(bytes), as: UTF8.self)
  }

  package var isMissing: Bool { key == nil && token == nil }

  /// The headers, both where both are set, as the vendor's SDKs send them.
  var headers: [String] {
    var headers: [String] = []
    if let key { headers.append("x-api-key: \(key)") }
    if let token { headers.append("authorization: Bearer \(token)") }
    return headers
  }
}

/// Where the credentials come from: settings, or files that are read again when they have changed.
package struct CredentialSource: Sendable {
  private let key: String?
  private let token: String?
  private let keyFile: String?
  private let tokenFile: String?

  /// - Parameter variable: a variable of the environment; nil where it is not set.
  /// - Throws: where the same is given by a variable and by a file.
  package init(_ variable: (String) -> String?) throws(Failure) {
    func file(_ name: String) throws(Failure) -> String? {
      guard let path = variable(name + "_FILE") else { return nil }
      guard variable(name) == nil else { throw Failure(.configuration, "both \(name) and \(name)_FILE are set") }
      return path
    }
    key = variable("ANTHROPIC_API_KEY")
    token = variable("ANTHROPIC_AUTH_TOKEN")
    keyFile = try file("ANTHROPIC_API_KEY")
    tokenFile = try file("ANTHROPIC_AUTH_TOKEN")
  }

  /// Whether reading again may give something else.
  package var hasFiles: Bool { keyFile != nil || tokenFile != nil }

  /// - Throws: where a file can't be read or holds none.
  package func read() throws(Failure) -> Credentials {
    func text(_ file: String?, _ name: String, else value: String?) throws(Failure) -> String? {
      guard let file else { return value }
      let text = try Self.text(of: file, name)
      guard text.utf8.contains(where: { !Scan.isSpace($0) }) else {
        throw Failure(.configuration, "\(name)_FILE \(file): there is nothing in it")
      }
      return text
    }
    return try Credentials(
      key: text(keyFile, "ANTHROPIC_API_KEY", else: key), token: text(tokenFile, "ANTHROPIC_AUTH_TOKEN", else: token))
  }

  /// What is in a file. Its mode isn't looked at: Docker and Kubernetes mount secrets readable for all in a container.
  private static func text(of file: String, _ name: String) throws(Failure) -> String {
    func refuse(_ reason: String) -> Failure { Failure(.configuration, "\(name)_FILE \(file): \(reason)") }
    let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw refuse(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: HTTPLimits.maxKeyFile + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count) }
      guard got >= 0 else { throw refuse(String(cString: strerror(errno))) }
      if got == 0 { break }
      count += got
    }
    guard count <= HTTPLimits.maxKeyFile else { throw refuse("it is longer than \(HTTPLimits.maxKeyFile) bytes") }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
