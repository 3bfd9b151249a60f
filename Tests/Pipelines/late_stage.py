#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stage that passes records on. A request with "hold" stops it for so many seconds, and all later requests wait."""

import json
import sys
import time

for line in sys.stdin:
    record = json.loads(line)
    time.sleep((record.get("request") or {}).get("hold", 0))
    sys.stdout.write(line)
    sys.stdout.flush()
