// SPDX-License-Identifier: MIT
// A module in the place of Swift's own FoundationEssentials, with what argument-parser uses of it. The Makefile gives it to
// the compiler, so that no program contains FoundationEssentials: it has 7 MB, and 1,500 types that each cast would look
// through. argument-parser encodes JSON only for its hidden option --experimental-dump-help, which prints nothing here.

/// An error that describes itself.
public protocol LocalizedError: Error {
  var errorDescription: String? { get }
}

public final class JSONEncoder {
  public struct OutputFormatting: OptionSet, Sendable {
    public let rawValue: UInt

    public init(rawValue: UInt) { self.rawValue = rawValue }

    public static let prettyPrinted = Self(rawValue: 1)
    public static let sortedKeys = Self(rawValue: 2)
  }

  /// That it can't encode.
  public struct Unsupported: Error {}

  public var outputFormatting: OutputFormatting = []

  public init() {}

  public func encode(_ value: some Encodable) throws -> Data { throw Unsupported() }
}

/// What an encoder makes. There is none.
public enum Data {}

extension String {
  public enum Encoding { case utf8 }

  public init?(data: Data, encoding: Encoding) { return nil }
}
