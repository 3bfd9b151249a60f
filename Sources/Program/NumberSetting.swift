// SPDX-License-Identifier: MIT
import Records

/// A number that an option or a variable of the environment sets: its bounds, and the message about one that is wrong.
///
/// All programs use it, so that all say alike what was expected.
package enum NumberSetting {
  /// What a number counts.
  package enum Unit: String {
    case bytes, seconds, requests, connections, pipelines, processes, retries
    case values = "JSON values"
  }

  /// The message about a value that is no such number: `MAX_RETRIES=many: expected a number of retries, 0 to 10`.
  package static func complaint<Number: BinaryInteger & FixedWidthInteger>(
    _ name: String, _ value: String, _ unit: Unit, _ range: ClosedRange<Number>
  ) -> String {
    let most = range.upperBound == .max ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
    return "\(name)=\(value): expected a number of \(unit.rawValue), \(most)"
  }

  /// Checks an option's number.
  ///
  /// - Throws: ``Failure`` of kind `usage`.
  package static func check<Number: BinaryInteger & FixedWidthInteger>(
    _ option: String, _ value: Number, _ unit: Unit, in range: ClosedRange<Number>
  ) throws(Failure) {
    guard !range.contains(value) else { return }
    throw Failure(.usage, complaint(option, "\(value)", unit, range))
  }

  /// The number of an option, else that of a variable; nil where neither is set.
  ///
  /// - Throws: ``Failure`` of kind `usage` where the option is wrong, of kind `configuration` where the variable is.
  package static func read(
    _ option: Int?, _ name: String, _ variable: String?, _ unit: Unit, in range: ClosedRange<Int>
  ) throws(Failure) -> Int? {
    guard let text = option.map({ String($0) }) ?? variable else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw Failure(option == nil ? .configuration : .usage, complaint(name, text, unit, range))
    }
    return number
  }
}
