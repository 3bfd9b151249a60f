#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stage that passes records on, but for a request with "hold": it waits so many seconds, and everybody behind it."""

import json
import sys
import time

for line in sys.stdin:
    record = json.loads(line)
    time.sleep((record.get("request") or {}).get("hold", 0))
    sys.stdout.write(line)
    sys.stdout.flush()
