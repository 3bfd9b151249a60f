# SPDX-License-Identifier: MIT
"""Programs of others, run by the recipes under scripts/: from the build folder, else those of the system."""
from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

from processes import wait_for
from server import BUILD, REPOSITORY, environment

SCRIPTS = REPOSITORY / "scripts"
PLACES = {"haproxy": "haproxy/usr/sbin", "nginx": "nginx/usr/sbin", "xinetd": "xinetd/usr/sbin",
          "tcpserver": "tcpserver/usr/bin", "runsv": "runit/usr/bin", "sv": "runit/usr/bin", "chpst": "runit/usr/bin"}


def program(name: str) -> str:
    found = shutil.which(name, path=f"{BUILD / PLACES[name]}:{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"no {name}: scripts/setup test brings one"
    return found


class Running:
    """One of them, before our proxy, on a port of its own."""

    def __init__(self, home: Path, command: list[object], port: int, **settings: str):
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.port, self.log = home, port, home / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], env=environment(home, **settings), cwd=home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(f"{command[0]} listens", self.listens)
        except BaseException:
            self.process.kill()
            raise

    def listens(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log.read_text()}"
        return any(f":{self.port:04X} {'0' * size}:0000 0A " in Path(f"/proc/net/{table}").read_text()
                   for table, size in (("tcp", 8), ("tcp6", 32)))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            finally:
                self.process.kill()


class Certificates:
    """An authority, a server's certificate for localhost, a client's, and a stranger's that signed its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._openssl("req", "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
        for name in ("server", "client"):
            self._openssl("req", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            (folder / "names").write_text("subjectAltName=DNS:localhost,DNS:claude.example.com,IP:127.0.0.1\n")
            self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                      "-set_serial", str(len(name)), "-extfile", "names", "-out", f"{name}.pem")
        self._openssl("req", "-x509", "-subj", "/CN=stranger", "-keyout", "stranger.key", "-out", "stranger.pem")

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def _openssl(self, *words: str) -> None:
        self._run(*words, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  *(["-days", "2"] if "-x509" in words else []))

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True, timeout=20)

    def context(self, name: str | None = None) -> ssl.SSLContext:
        """What trusts the authority, and shows the certificate of that name."""
        made = ssl.create_default_context(cafile=str(self["ca.pem"]))
        if name:
            made.load_cert_chain(self[f"{name}.pem"], self[f"{name}.key"])
        return made
