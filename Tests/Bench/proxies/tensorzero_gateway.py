# SPDX-License-Identifier: MIT
"""Starts the gateway that TensorZero's Python package contains, and writes its port into a file.

usage: tensorzero_gateway.py CONFIG PORTFILE        (by the Python that has the package)
"""
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tensorzero import tensorzero

config, port_file = sys.argv[1:]
gateway = tensorzero._start_http_gateway(
    config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
# A file that has its name is whole.
written = Path(port_file + ".part")
written.write_text(str(urlsplit(gateway.base_url).port))
written.rename(port_file)
# Its threads would keep the process alive.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    signal.pause()
