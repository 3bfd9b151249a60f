// SPDX-License-Identifier: MIT

/// What bounds the records, in one place.
package enum Limits {
  /// The longest line, in bytes: a body of 32 MiB (the Messages API's own limit) in the worst case of escaping.
  package static let maxLine = 64 << 20

  /// How many answers one stage may have open at once: above what http-frontd lets in (`MAX_IN_FLIGHT`, 4,096).
  package static let maxOpen = 16_384

  /// How much is read at once, in bytes: some pipes full, so that a burst costs few system calls.
  package static let readSize = 256 << 10

  /// The largest buffer that stays for the next large record, in bytes, and for how long, in milliseconds: with one
  /// large request after another a stage takes half the time, most of which goes into memory that is new.
  package static let keptBuffer = 16 << 20
  package static let keptTime = 1_000

  /// How long a server or a backend waits before it releases the code that only its start needed, in milliseconds.
  package static let startTime = 1_000

  /// The largest buffer that stays for good, in bytes.
  package static let ownBuffer = 1 << 20
}
