// SPDX-License-Identifier: MIT
import Glibc
import JSONText

/// libFuzzer's own main, as a function.
///
/// - SeeAlso: <https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library>
@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The target of this run; set once, before the first input.
nonisolated(unsafe) private var target: @Sendable (ByteSlice) -> Void = { _ in }

/// `fuzz TARGET [OPTION OF LIBFUZZER]... CORPUS`: hands inputs to a target until one of them breaks a promise.
@main
struct Fuzz {
  static func main() {
    guard CommandLine.argc > 1, let name = CommandLine.unsafeArgv[1], let chosen = targets[String(cString: name)] else {
      print("usage: fuzz TARGET [OPTION]... CORPUS; targets:", targets.keys.sorted().joined(separator: " "))
      exit(64)
    }
    target = chosen
    // The words without the target, as libFuzzer's own main would have them.
    var count = CommandLine.argc - 1
    var words = CommandLine.unsafeArgv + 1
    words[0] = CommandLine.unsafeArgv[0]
    exit(
      runDriver(&count, &words) { data, size in
        target(ByteSlice(start: data, count: size))
        return 0
      })
  }
}

/// Ends the run: libFuzzer keeps the input.
func broken(_ promise: String, _ shown: ByteSlice = ByteSlice(start: nil, count: 0)) -> Never {
  fatalError("broken: \(promise): \(String(reflecting: shown.text))")
}
