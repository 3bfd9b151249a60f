// SPDX-License-Identifier: MIT
import ResponsesStore
import Testing

@Test func hasSQLite() { #expect(!sqliteVersion.isEmpty) }
