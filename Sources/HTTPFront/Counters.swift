// SPDX-License-Identifier: MIT
import CLinux
import Glibc
import JSONText
import Records
import SharedFile

/// Numbers by name, which processes may share: so that each of those that serve one connection tells what all did.
///
/// A table of slots, each a number and its name; slots are never given back. A name is a family and its labels, with
/// tabs between them. Behind the table each process has a number of its own that counts only as long as it lives: its
/// slot is a byte of the file that it has locked, and the kernel unlocks it whatever happens.
struct Counters {
  private static let magic: UInt64 = 0x3130_746E_7563_7063
  /// Far above what the labels' bounds let come about: see ``Metrics``.
  private static let slots = 4_096
  private static let slotSize = 128
  /// A slot's number, the length of its name, and the name.
  private static let (lengthAt, nameAt) = (8, 10)
  private static let longestName = slotSize - nameAt
  private static let tableAt = 64
  private static let ownAt = tableAt + slots * slotSize
  /// As many processes' own numbers as there may be; those of more are not seen by others.
  private static let processes = 4_096
  private static let size = ownAt + processes * 8

  private let memory: SharedMemory
  /// Which of the own numbers is ours.
  private let own: Int?

  /// - Parameter path: of the file that is shared; nil for numbers of our own alone.
  /// - Throws: ``Failure`` where the file can't be used, or is none of ours.
  init(path: String?) throws(Failure) {
    let memory = try SharedMemory(path: path, size: Self.size)
    let isOurs = memory.locked {
      let found = memory.base.load(as: UInt64.self)
      if found == 0 { memory.base.storeBytes(of: Self.magic, as: UInt64.self) }
      return found == 0 || found == Self.magic
    }
    guard isOurs else { throw Failure(.configuration, "\(path ?? "") holds no counters of this version; remove it") }
    var own: Int?
    if let file = memory.file {
      own = (0..<Self.processes).first { clinux_lock_byte(file, off_t($0)) == 0 }
      if let own { memory.base.storeBytes(of: 0, toByteOffset: Self.ownAt + own * 8, as: Int.self) }
    }
    self.memory = memory
    self.own = own
  }

  // MARK: The table

  /// Where a number stands; it stays there.
  struct Sample {
    fileprivate let at: Int
  }

  /// The numbers while nobody else changes them; valid only within ``change(_:)``.
  struct Table {
    fileprivate let base: UnsafeMutableRawPointer

    subscript(name: String) -> Int? { find(name, making: false)?.load(as: Int.self) }

    /// Where a number stands, which is 0 before the first time; nil where the table is full.
    func sample(_ name: String) -> Sample? { find(name, making: true).map { Sample(at: $0 - base) } }

    func add(_ count: Int, to sample: Sample) {
      let slot = base + sample.at
      slot.storeBytes(of: slot.load(as: Int.self) &+ count, as: Int.self)
    }

    /// Adds to the number of that name; nothing happens where the table is full.
    func add(_ count: Int, to name: String) {
      if let sample = sample(name) { add(count, to: sample) }
    }

    func set(_ number: Int, at name: String) { find(name, making: true)?.storeBytes(of: number, as: Int.self) }

    private func find(_ name: String, making: Bool) -> UnsafeMutableRawPointer? {
      var name = name
      return name.withUTF8 { bytes in
        guard (1...Counters.longestName).contains(bytes.count) else { return nil }
        let home = Int(UInt64(hashing: bytes) % UInt64(Counters.slots))
        for step in 0..<Counters.slots {
          let slot = base + (home + step) % Counters.slots * Counters.slotSize
          let length = Int(slot.load(fromByteOffset: Counters.lengthAt, as: UInt16.self))
          if length == bytes.count, memcmp(slot + Counters.nameAt, bytes.baseAddress!, length) == 0 { return slot }
          guard length == 0 else { continue }
          guard making else { return nil }
          // The length comes last: until then the slot is free.
          slot.storeBytes(of: 0, as: Int.self)
          memcpy(slot + Counters.nameAt, bytes.baseAddress!, bytes.count)
          slot.storeBytes(of: UInt16(bytes.count), toByteOffset: Counters.lengthAt, as: UInt16.self)
          return slot
        }
        return nil
      }
    }

    /// All numbers there are, by their names.
    var all: [String: Int] {
      var all: [String: Int] = [:]
      for index in 0..<Counters.slots {
        let slot = base + index * Counters.slotSize
        let length = min(Int(slot.load(fromByteOffset: Counters.lengthAt, as: UInt16.self)), Counters.longestName)
        guard length > 0 else { continue }
        let name = UnsafeRawBufferPointer(start: slot + Counters.nameAt, count: length)
        all[String(decoding: name, as: UTF8.self)] = slot.load(as: Int.self)
      }
      return all
    }
  }

  /// Looks at the numbers, or changes several of them at once.
  func change<R>(_ body: (Table) -> R) -> R {
    memory.locked { body(Table(base: memory.base + Self.tableAt)) }
  }

  // MARK: Each process's own number

  /// Says ours to the other processes.
  func tell(_ number: Int) {
    if let own { memory.base.storeBytes(of: number, toByteOffset: Self.ownAt + own * 8, as: Int.self) }
  }

  /// The sum of what the others said that are still there.
  var othersTold: Int {
    guard let file = memory.file else { return 0 }
    var sum = 0
    for index in 0..<Self.processes where index != own {
      let number = memory.base.load(fromByteOffset: Self.ownAt + index * 8, as: Int.self)
      if number > 0, clinux_byte_is_locked(file, off_t(index)) == 1 { sum += number }
    }
    return sum
  }
}
