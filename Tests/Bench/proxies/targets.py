# SPDX-License-Identifier: MIT
"""What is measured: this proxy, nginx as a plain relay, LiteLLM's server, and the upstream with nothing before it."""
from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "Rig")]

import processes  # noqa: E402
from server import BUILD, PROGRAMS, REPOSITORY, environment, free_port  # noqa: E402
from wire import ask  # noqa: E402

HERE = Path(__file__).resolve().parent
MODEL = "claude-sonnet-4-5"
ANTHROPIC = {"anthropic": "/v1/messages"}
NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 64m; client_body_buffer_size 512k; keepalive_requests 10000000; tcp_nodelay on;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream api { server 127.0.0.1:%(upstream)d; keepalive 256; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location / {
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header x-api-key bench-key;
      proxy_buffering off; proxy_request_buffering off;
    }
  }
}
"""
LITELLM = """
model_list: [{model_name: %(model)s, litellm_params: {model: anthropic/claude-sonnet-4-5-20250929,
  api_base: "http://127.0.0.1:%(upstream)d", api_key: bench-key}}]
litellm_settings: {telemetry: false, num_retries: 0, request_timeout: 600, drop_params: true}
general_settings: {master_key: sk-bench}
"""


def allow_descriptors() -> None:
    """As many as may be, for this process and what it starts."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Started:
    """A process in a session of its own, with all that it starts."""

    def __init__(self, command: list[Any], cpus: set[int] | None, **more: Any):
        # The affinity is inherited: a child must not run before it is set.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus or before)
        try:
            self.process = subprocess.Popen(command, start_new_session=True, **more)
        finally:
            os.sched_setaffinity(0, before)

    def cpu(self) -> float:
        """Seconds of processor time, of all that live in the session: what a process took that has ended isn't seen."""
        return sum(processes.cpu_time_exact(pid) for pid in processes.session(self.process.pid))

    def memory(self) -> float:
        """MB, each page shared out among those who share it (PSS)."""
        total = 0
        for pid in processes.session(self.process.pid):
            try:
                total += processes.memory(pid)
            except (OSError, StopIteration):
                pass  # It has ended meanwhile.
        return total / 1000

    def stop(self) -> None:
        """Ends the session, and waits until nothing of it is left."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        while left := {pid for pid in processes.session(self.process.pid) if processes.alive(pid)}:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        self.process.wait()


class Upstream(Started):
    """upstream.c, running."""

    def __init__(self, program: Path, cpus: set[int] | None):
        super().__init__([program], cpus, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tell(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def counts(self) -> dict[str, int]:
        return json.loads(self.tell("counts"))


class Target:
    """One of those who are compared."""

    name: str
    # The path of each dialect.
    paths: dict[str, str] = ANTHROPIC
    key = "bench-key"
    version_command: list[Any] = []
    # Above this it is broken, in seconds.
    longest_start = 20.0

    def __init__(self, upstream: Upstream, cpus: set[int] | None):
        self.upstream, self.cpus, self.port = upstream, cpus, upstream.port
        self.started: Started | None = None

    def headers(self, dialect: str) -> dict[str, str]:
        more = {"anthropic-version": "2023-06-01", "x-api-key": self.key} if dialect == "anthropic" else {}
        return {"authorization": f"Bearer {self.key}"} | more

    def command(self, folder: Path) -> list[Any]:
        raise NotImplementedError

    def version(self) -> str:
        said = subprocess.run(self.version_command, capture_output=True, text=True) if self.version_command else None
        return (said.stdout + said.stderr).strip() if said else ""

    def environment(self, folder: Path) -> dict[str, str]:
        return environment(folder)

    def start(self, folder: Path) -> float | None:
        """Seconds from the start to the first whole answer."""
        self.port, self.log = free_port(), folder / "log"
        command = self.command(folder)
        with open(self.log, "wb") as log:
            began = time.monotonic()
            self.started = Started(command, self.cpus, env=self.environment(folder), cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log)
        while not self.answers():
            if self.started.process.poll() is not None or time.monotonic() - began > self.longest_start:
                self.stop()
                raise RuntimeError(f"{self.name} doesn't answer: {self.log.read_text()[-1000:]}")
            time.sleep(0.001)
        return time.monotonic() - began

    def answers(self) -> bool:
        body = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
        try:
            return ask(self.port, "POST", self.paths["anthropic"], body, self.headers("anthropic")).status == 200
        except OSError:
            return False

    def cpu(self) -> float:
        return self.started.cpu() if self.started else 0.0

    def memory(self) -> float:
        return self.started.memory() if self.started else 0.0

    def stop(self) -> None:
        if self.started:
            self.started.stop()
        self.started = None


class Nothing(Target):
    """The upstream itself: what the rig can do."""

    name = "no proxy"

    def start(self, folder: Path) -> None:
        return None


class Ours(Target):
    name = "claude-proxy"
    # Its answers to the third are kept in the store of responses, as they are for users.
    paths = ANTHROPIC | {"openai": "/openai/v1/chat/completions", "responses": "/openai/v1/responses"}
    version_command = [PROGRAMS / "http-frontd", "--version"]

    def command(self, folder: Path) -> list[Any]:
        return [REPOSITORY / "scripts/claude-proxy"]

    def environment(self, folder: Path) -> dict[str, str]:
        chosen = environment(folder, PORT=str(self.port), BACKEND="claude-http", LOG_LEVEL="warning", ANTHROPIC_API_KEY="bench-key",
                             ANTHROPIC_BASE_URL=f"http://127.0.0.1:{self.upstream.port}")
        # As users have it.
        del chosen["RATE_LIMIT_REQUESTS"]
        return chosen


class Nginx(Target):
    name = "nginx"
    program = BUILD.resolve() / "nginx/usr/sbin/nginx"
    version_command = [program, "-v"]

    def command(self, folder: Path) -> list[Any]:
        (folder / "nginx.conf").write_text(NGINX % {"port": self.port, "upstream": self.upstream.port})
        return [self.program, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]


class LiteLLM(Target):
    name = "LiteLLM"
    programs = BUILD.resolve() / "litellm-proxy-venv/bin"
    version_command = [programs / "python", "-c", "from importlib.metadata import version; print(version('litellm'))"]
    paths = ANTHROPIC | {"openai": "/v1/chat/completions"}
    key = "sk-bench"
    longest_start = 180.0

    def command(self, folder: Path) -> list[Any]:
        (folder / "config.yaml").write_text(LITELLM % {"model": MODEL, "upstream": self.upstream.port})
        return [self.programs / "litellm", "--config", folder / "config.yaml", "--host", "127.0.0.1",
                "--port", str(self.port), "--num_workers", "1"]

    def environment(self, folder: Path) -> dict[str, str]:
        return environment(folder, LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR", LITELLM_MODE="PRODUCTION",
                           LITELLM_TELEMETRY="False", DO_NOT_TRACK="1")


TARGETS = {"none": Nothing, "ours": Ours, "nginx": Nginx, "litellm": LiteLLM}


def wait_for_line(process: subprocess.Popen[str], line: str, seconds: float) -> bool:
    """Whether the process says that line in time."""
    return bool(select.select([process.stdout], [], [], seconds)[0]) and process.stdout.readline() == line + "\n"
