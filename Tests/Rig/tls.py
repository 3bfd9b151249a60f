# SPDX-License-Identifier: MIT
"""nginx with TLS and HTTP/2 in front of an upstream, under a certificate authority of the test's own."""
from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from processes import wait_for
from server import free_port

NGINX = "/usr/sbin/nginx"
# One process, in the foreground: it ends with the test, and needs no user of its own.
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log notice;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  log_format connections '$connection $server_protocol $request_method $status';
  access_log {folder}/access.log connections;
  client_max_body_size 64m;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl {protocol} backlog=4096;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    {more}
    location / {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_read_timeout 600;
    }}
  }}
}}
"""


def openssl(*arguments: object) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, timeout=30).stdout


class Authority:
    """A certificate authority that nobody trusts unless told to."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-subj", f"/CN=the tests' {folder.name}", "-keyout", self._key, "-out", self.certificate)

    def hash(self) -> str:
        """What OpenSSL names the certificate in a folder."""
        return openssl("x509", "-in", self.certificate, "-noout", "-hash").strip()

    def issue(self, folder: Path, names: str, days: int = 1) -> None:
        """A server's key and certificate, for names such as ``IP:127.0.0.1``; of 0 days, it has run out."""
        asked, extensions = folder / "server.csr", folder / "extensions"
        extensions.write_text(f"subjectAltName = {names}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=upstream", "-keyout", folder / "server.key", "-out", asked)
        certificate = folder / "server.pem"
        openssl("x509", "-req", "-in", asked, "-CA", self.certificate, "-CAkey", self._key, "-set_serial", 1,
                "-days", days, "-extfile", extensions, "-out", certificate)
        if days == 0:
            check = ["openssl", "x509", "-in", certificate, "-noout", "-checkend", "0"]
            wait_for("the certificate has run out", lambda: subprocess.run(check, capture_output=True).returncode == 1)


    def context(self, folder: Path) -> ssl.SSLContext:
        """What a server in Python needs for a certificate that is good for 127.0.0.1."""
        folder.mkdir(parents=True, exist_ok=True)
        self.issue(folder, "IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        return context


class Nginx:
    """A running nginx; its certificate is issued by the authority for those names."""

    def __init__(self, folder: Path, authority: Authority, upstream: str, names: str = "IP:127.0.0.1", days: int = 1,
                 protocol: str = "http2", more: str = "", port: int = 0):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        authority.issue(folder, names, days)
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=self.port, upstream=upstream,
                                                      protocol=protocol, more=more))
        self.process = subprocess.Popen([NGINX, "-p", folder, "-e", folder / "error.log", "-c", configuration],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("nginx is up", lambda: f":{self.port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text())

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def requests(self) -> list[tuple[int, str]]:
        """The number of the connection and the protocol of each request that has been answered."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    def connections(self) -> int:
        """How many connections brought requests that have been answered."""
        return len({connection for connection, _ in self.requests()})
