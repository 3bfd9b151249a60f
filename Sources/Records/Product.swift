// SPDX-License-Identifier: MIT

/// What this is, for answers and `--version`.
package enum Product {
  package static let service = "claude-proxy"
  package static let version = "0.1.0"
}
