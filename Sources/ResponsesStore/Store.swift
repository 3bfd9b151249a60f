// SPDX-License-Identifier: MIT
import CSQLite

package let sqliteVersion = String(cString: sqlite3_libversion())
