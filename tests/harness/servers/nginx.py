"""nginx with the configuration files of deploy/. Names, ports, paths and the certificate are filled in, and nginx does
not listen on IPv6."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.harness.servers.process import HOST, ROOT, Server, ServerFailed, free_port

FILES = ROOT / "deploy" / "nginx"
MAIN = """
daemon off;
pid {folder}/pid;
error_log stderr warn;
{user}
worker_processes 2;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""


class Nginx(Server):
    """nginx with TLS in front of the server processes at `ports`.

    `state` is the state folder of these processes, from which nginx serves static files.
    """

    name = "nginx"

    def __init__(self, ports: Sequence[int], state: Path) -> None:
        super().__init__()
        self.plain_port = free_port()
        (self.folder / "conf.d").mkdir()
        self.certificate, key = self._make_certificate()
        site = (FILES / "lianxin.conf").read_text()
        for old, new in {
            "    listen 80;\n    listen [::]:80;\n": f"    listen {HOST}:{self.plain_port};\n",
            "    listen 443 ssl http2;\n": f"    listen {HOST}:{self.port} ssl http2;\n",
            "    listen [::]:443 ssl http2;\n": "",
            "chat.bank.example": HOST,
            "/etc/lianxin/tls/chain.pem": str(self.certificate),
            "/etc/lianxin/tls/key.pem": str(key),
            "/var/log/nginx/lianxin.log": str(self.folder / "access.log"),
            "/var/lib/lianxin/static/": f"{state}/static/",
        }.items():
            assert old in site, f"lianxin.conf does not hold {old!r}"
            site = site.replace(old, new)
        (self.folder / "conf.d" / "lianxin.conf").write_text(site)
        processes = (FILES / "processes.conf").read_text()
        for old_port, new_port in zip((8001, 8002), ports, strict=True):
            assert f"127.0.0.1:{old_port}" in processes
            processes = processes.replace(f"127.0.0.1:{old_port}", f"{HOST}:{new_port}")
        (self.folder / "conf.d" / "lianxin-processes.conf").write_text(processes)
        # If root starts nginx, its workers would run as nobody and could not read the test's folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder, user=user))

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"wss://{HOST}:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """A TLS context for clients that trusts only the certificate of this run."""
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def requests(self) -> list[str]:
        """The lines of nginx's access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def command(self) -> Sequence[str | Path]:
        return [nginx_program(), "-e", "stderr", "-p", self.folder, "-c", self.folder / "nginx.conf"]

    def is_ready(self) -> bool:
        try:
            with socket_to(self.port, self.trust):
                return True
        except OSError:
            return False

    def check(self) -> str:
        """Return what `nginx -t` prints; raise ServerFailed when it rejects the configuration."""
        result = subprocess.run([*self.command(), "-t"], capture_output=True, text=True)
        if result.returncode:
            raise ServerFailed(result.stderr)
        return result.stderr

    def _make_certificate(self) -> tuple[Path, Path]:
        certificate, key = self.folder / "chain.pem", self.folder / "key.pem"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ),
                *("-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}"),
                *("-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )
        return certificate, key


def socket_to(port: int, trust: ssl.SSLContext) -> ssl.SSLSocket:
    return trust.wrap_socket(socket.create_connection((HOST, port), timeout=2), server_hostname=HOST)


def nginx_program() -> str:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise ServerFailed("nginx is not installed; on Debian: apt-get install nginx")
    return program
