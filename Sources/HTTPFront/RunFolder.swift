// SPDX-License-Identifier: MIT
import Logs
import Records
import SharedFile

/// The folder of the private files of a running proxy, as health looks at it: stages keep their files there, whatever the
/// backend is.
struct RunFolder {
  private var lastFault: String?

  /// Makes the folder again where it is gone, and tries whether it takes a file.
  ///
  /// - Parameter path: of the folder; nil where there is none.
  /// - Returns: why it can't be used, for a health answer; nil where it can.
  mutating func fault(at path: String?, _ log: Log) -> String? {
    guard let path else { return nil }
    do throws(Failure) {
      try PrivateFolder.check(path)
      lastFault = nil
    } catch {
      let fault = PrivateFolder.fault(error)
      // A probe asks every few seconds, and one line is enough.
      if fault != lastFault { log.write(.error, "RUN_DIR: \(error.message)") }
      lastFault = fault
    }
    return lastFault
  }
}
