// SPDX-License-Identifier: MIT
import Glibc
import JSONText
import Records

/// The secrets that let a client in, each with the name of who holds it.
package struct Tokens: Sendable {
  private struct Token {
    var name: String
    var secret: [UInt8]
  }

  private var list: [Token] = []

  package init() {}

  /// Without any, all clients are let in.
  package var isEmpty: Bool { list.isEmpty }

  package var count: Int { list.count }

  /// Takes lines of `NAME:TOKEN` or `TOKEN`; empty ones and those that begin with `#` are passed over.
  ///
  /// A name may stand more than once: so a token is replaced without a moment when neither is good.
  ///
  /// - Throws: ``Failure`` of kind `configuration`, which never shows a secret.
  package mutating func add(lines text: String) throws(Failure) {
    var number = 0
    // CR LF is one character, and a newline as LF is.
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      guard !line.isEmpty, !line.hasPrefix("#") else { continue }
      let colon = line.firstIndex(of: ":")
      let name = colon.map { String(line[..<$0]) } ?? "token-\(number)"
      let secret = colon.map { line[line.index(after: $0)...] } ?? line
      guard !name.isEmpty, name.utf8.count <= 64, name.utf8.allSatisfy(Self.isNameByte) else {
        throw Failure(.configuration, "line \(number) has no name of letters, digits and .-_@ before its colon")
      }
      guard add(name, String(secret)) else {
        throw Failure(.configuration, "line \(number) has no token of visible ASCII characters")
      }
    }
  }

  /// False where it could never come in a header.
  package mutating func add(_ name: String, _ secret: String) -> Bool {
    guard !secret.isEmpty, secret.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return false }
    list.append(Token(name: name, secret: Array(secret.utf8)))
    return true
  }

  private static func isNameByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit(or: "-_.@") }

  /// The name of the token that was given; the time it takes depends on what was given, not on the tokens.
  package func name(of given: String) -> String? {
    let given = Array(given.utf8)
    var found: Int?
    for (index, token) in list.enumerated() {
      var difference = token.secret.count ^ given.count
      for (place, byte) in given.enumerated() {
        difference |= Int(byte ^ token.secret[place % token.secret.count])
      }
      if difference == 0 { found = index }
    }
    return found.map { list[$0].name }
  }

  // MARK: Where they are kept

  /// Those of AUTH_TOKEN and BEARER_TOKEN.
  ///
  /// - Throws: ``Failure`` of kind `configuration`.
  package init(of environment: Environment) throws(Failure) {
    for (variable, secret) in environment.tokens {
      guard secret.isEmpty || add("default", secret) else {
        throw Failure(.configuration, "\(variable): a token is visible ASCII characters, without spaces")
      }
    }
  }

  /// These, and those of a file that only we can read.
  ///
  /// - Throws: ``Failure`` of kind `configuration` or `noInput`.
  ///
  /// - Parameter credentials: a folder that the service manager has made for us alone: the group's bits of its files
  ///   are the mask of an access list (acl(5)), and let in no group.
  package func adding(file path: String, credentials: String? = nil) throws(Failure) -> Tokens {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(.noInput, "--tokens \(path): \(String(cString: strerror(errno)))", errno: errno)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.configuration, "--tokens \(path): it is not a file")
    }
    let isCredential = credentials.map { path.hasPrefix($0 + "/") && !path.mentions("/..") } ?? false
    guard status.st_mode & (isCredential ? 0o037 : 0o077) == 0 else {
      throw Failure(.configuration, "--tokens \(path): others may read it; expected mode 0600 or 0400")
    }
    var bytes = [UInt8](repeating: 0, count: FrontLimits.maxTokensFile + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
      guard got >= 0 else {
        throw Failure(.noInput, "--tokens \(path): \(String(cString: strerror(errno)))", errno: errno)
      }
      if got == 0 { break }
      count += got
    }
    guard count <= FrontLimits.maxTokensFile else {
      throw Failure(.configuration, "--tokens \(path): it is larger than \(FrontLimits.maxTokensFile) bytes")
    }
    var whole = self
    do throws(Failure) {
      try whole.add(lines: String(decoding: bytes[..<count], as: UTF8.self))
    } catch {
      throw Failure(.configuration, "--tokens \(path): \(error.message)")
    }
    // No token would mean that all are let in.
    guard whole.list.count > list.count else {
      throw Failure(.configuration, "--tokens \(path): there is no token in it")
    }
    return whole
  }
}
