// SPDX-License-Identifier: MIT
import Logs
import Records
import SharedFile

/// The folder of the private files of a running proxy. Health checks it for every backend, because stages keep files
/// there.
struct RunFolder {
  private var lastFault: String?

  /// Makes the folder again if it is missing, and tries to write a file in it.
  ///
  /// - Parameter path: the path of the folder; nil if the server has none.
  /// - Returns: why the folder can't be used, for a health answer; nil if it can.
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
