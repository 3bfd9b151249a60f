# SPDX-License-Identifier: MIT
"""A program that listens on a port and starts the proxy for each connection: socat, or a real inetd."""
from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from processes import name, stages, wait_for, with_home
from server import BUILD, REPOSITORY, environment, free_port

INETD = shutil.which(str(BUILD / "inetd/usr/sbin/inetd")) or shutil.which("inetd", path="/usr/sbin:/sbin")
SCRIPT = REPOSITORY / "scripts" / "claude-proxy-inetd"


class Listener:
    """A program that listens on a port and starts ours for each connection."""

    def __init__(self, kind: str, home: Path, **settings: str):
        self.home, self.port, self.log = home, free_port(), home / "log"
        if kind == "socat":
            command = ["socat", f"TCP-LISTEN:{self.port},bind=127.0.0.1,backlog=512,reuseaddr,fork", f"EXEC:{SCRIPT}"]
        else:
            assert INETD, "no inetd: scripts/setup test brings one"
            user = pwd.getpwuid(os.getuid()).pw_name
            table = home / "inetd.conf"
            table.write_text(f"127.0.0.1:{self.port} stream tcp nowait.10000 {user} {SCRIPT} {SCRIPT.name}\n")
            command = [INETD, "-i", str(table)]
        chosen = environment(home, **({"BACKEND": "claude-echo", "LOG_FILE": str(home / "inetd.log")} | settings))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env=chosen, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(f"{kind} listens", self.listens)

    def listens(self) -> bool:
        wanted = f" 0100007F:{self.port:04X} 00000000:0000 0A "
        return wanted in Path("/proc/net/tcp").read_text()

    def ours(self) -> set[str]:
        """The programs of ours that serve a connection now, those that share a process among them."""
        running = [pid for pid in with_home(self.home) - {self.process.pid} if name(pid) not in ("socat", "inetd", "")]
        return {stage for pid in running for stage in stages(pid)}

    def stop(self) -> None:
        """Ends it, and sees that nothing is left."""
        self.process.terminate()
        self.process.wait(5)
        wait_for("nothing is left", lambda: not with_home(self.home))
