"""Tests of the files in deploy/.

Each file is checked by the program that reads it, or by a linter. The limits in the files must fit the limits of the
service.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from daphne.cli import CommandLineInterface
from django.conf import settings
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from uvicorn.main import main as uvicorn

from server import drain
from server.body_limits import OTHER_BYTES, UPLOAD_BYTES, WITH_FILES
from server.request_scope import REMOVED_HEADERS
from tests.harness.servers import Nginx
from tests.harness.servers.process import ROOT

DEPLOY = ROOT / "deploy"
PROGRAMS = Path(sys.executable).parent
SERVICE = (DEPLOY / "systemd" / "lianxin@.service").read_text()
SITE = (DEPLOY / "nginx" / "lianxin.conf").read_text()
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
COMPOSE_FILE = (DEPLOY / "compose" / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE)


def run(*command: str | Path) -> str:
    """Run a linter, check that it succeeds, and return its output."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def longest_drain() -> float:
    return drain.MAX_DRAIN_SECONDS


# -- nginx -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nginx(tmp_path: Path) -> Any:
    """Yield an `Nginx` that has written its configuration files but is not started."""
    nginx = Nginx([20_001, 20_002], tmp_path)
    yield nginx
    shutil.rmtree(nginx.folder)


def test_nginx_accepts_its_files(nginx: Nginx) -> None:
    assert "warn" not in nginx.check()


def test_nginx_configuration_has_no_security_issues(nginx: Nginx) -> None:
    assert "No issues found" in run(PROGRAMS / "gixy", nginx.folder / "nginx.conf")


def test_nginx_limits_fit_those_of_the_service() -> None:
    assert f"client_max_body_size {UPLOAD_BYTES // 1024**2}m;" in SITE
    # A widget in a hidden tab sends a heartbeat once a minute (static/chat/socket.js).
    socket_location = SITE.partition("location /ws/")[2].partition("}")[0]
    match = re.search(r"proxy_read_timeout (\d+)s", socket_location)
    assert match
    assert int(match[1]) > max(60, settings.HEARTBEAT_SECONDS)


def test_nginx_replaces_the_forwarded_headers_of_clients() -> None:
    """Check that nginx replaces X-Forwarded-For, because the service trusts this header.

    No `location` block may set headers, because a block that sets its own headers does not inherit the common ones.
    """
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in SITE
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in SITE
    assert "proxy_add_x_forwarded_for" not in SITE
    for location in re.findall(r"location [^{]+\{([^}]*)\}", SITE):
        assert "proxy_set_header" not in location


# -- systemd ---------------------------------------------------------------------------------------------------


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Check the units with `systemd-analyze verify`, using the paths of this checkout instead of /opt/lianxin."""
    units = []
    for file in sorted((DEPLOY / "systemd").iterdir()):
        unit = tmp_path / file.name
        unit.write_text(file.read_text().replace("/opt/lianxin/.venv/bin", str(PROGRAMS)))
        units.append(unit)
    output = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units)
    assert output.strip() == ""


def test_systemd_unit_restricts_a_server_process() -> None:
    unit = DEPLOY / "systemd" / "lianxin@.service"
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)


def test_systemd_stop_timeout_exceeds_the_drain() -> None:
    match = re.search(r"TimeoutStopSec=(\d+)", SERVICE)
    assert match
    assert int(match[1]) > longest_drain()


def commands() -> list[list[str]]:
    """Return the commands that start a server, split into arguments.

    The commands come from the Containerfile and the systemd unit, which has a second command in a comment.
    """
    lines = re.findall(r"^(?:# )?ExecStart=(.+)$", SERVICE, re.M)
    container = re.search(r'^CMD \["(.+)"\]$', CONTAINERFILE, re.M)
    assert container
    return [*map(shlex.split, lines), container[1].split('", "')]


@pytest.mark.parametrize("command", commands(), ids=["daphne", "uvicorn", "container"])
def test_start_command_is_accepted_by_its_server(command: list[str]) -> None:
    program, arguments = Path(command[0]).name, [word.replace("%i", "8001") for word in command[1:]]
    assert arguments[-1] == "config.asgi:application"
    if program == "daphne":
        parsed = CommandLineInterface().parser.parse_args(arguments)
        assert parsed.verbosity == 0
        reactor = MemoryReactor()
        serverFromString(reactor, *parsed.socket_strings).listen(Factory())
        ((port, _, backlog, _),) = reactor.tcpServers
        assert port in (8000, 8001)
        assert backlog >= 1000, (
            "a client that the kernel turns away retries only after a second, then three, then seven"
        )
    else:
        values = uvicorn.make_context("uvicorn", arguments).params
        assert (values["port"], values["access_log"], values["proxy_headers"]) == (8001, False, False)


# -- Containers ------------------------------------------------------------------------------------------------


def test_containerfile_passes_its_linter() -> None:
    run(PROGRAMS / "hadolint", DEPLOY / "Containerfile")
    assert re.search(r"^USER \d+:\d+$", CONTAINERFILE, re.M)


def test_container_contains_only_what_the_service_needs() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.M))
    names = {name for line in copied for name in line.split()}
    ignored = (DEPLOY / "Containerfile.containerignore").read_text()
    assert names == set(re.findall(r"^!(\S+)", ignored, re.M))
    assert all((ROOT / name).exists() for name in names)
    packages = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert packages <= names
    assert not names & {"tests", "docs", "deploy", "var", "scripts"}


def test_compose_file_is_valid() -> None:
    PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).validate()


def test_containers_wait_for_the_drain_and_run_without_privileges() -> None:
    for name in ("app1", "app2"):
        app = COMPOSE["services"][name]
        assert int(app["stop_grace_period"].removesuffix("s")) > longest_drain()
        assert (app["read_only"], app["cap_drop"]) == (True, ["ALL"])
    addresses = [COMPOSE["services"][name]["networks"]["inside"]["ipv4_address"] for name in ("app1", "app2")]
    processes = (DEPLOY / "compose" / "processes.conf").read_text()
    assert re.findall(r"server ([\d.]+):8000", processes) == addresses


def test_deploy_files_contain_no_secret() -> None:
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(r"(PASSWORD|SECRET_KEY|TOKEN)\s*[=:]", file.read_text()), file
            assert not re.search(r"://\w+:[^@\s]+@", file.read_text()), file


def test_every_setting_in_the_deploy_files_exists() -> None:
    settings_page = (ROOT / "docs/settings.md").read_text()
    for file in (DEPLOY / "lianxin.env", DEPLOY / "Containerfile", DEPLOY / "compose" / "compose.yaml"):
        for name in re.findall(
            r"\b(LIANXIN_(?!HOST)\w+?)(?:_FILE)?\s*[=:] ", file.read_text().replace("=", "= ")
        ):
            assert f"`{name}`" in settings_page, f"{file.name}: {name}"


# -- Limits ----------------------------------------------------------------------------------------------------

HAPROXY = (DEPLOY / "haproxy.cfg").read_text()


def test_haproxy_accepts_its_file(tmp_path: Path) -> None:
    pem = tmp_path / "chain-and-key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(*make, "-days", "2", "-subj", "/CN=a", "-keyout", tmp_path / "key", "-out", tmp_path / "chain")
    pem.write_text((tmp_path / "chain").read_text() + (tmp_path / "key").read_text())
    file = tmp_path / "haproxy.cfg"
    file.write_text(HAPROXY.replace("/etc/lianxin/tls/chain-and-key.pem", str(pem)))
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") or "haproxy"
    output = run(haproxy, "-c", "-f", file)
    assert "WARNING" not in output.replace("missing timeouts", "")


@pytest.mark.parametrize(
    "header",
    ["Daphne-Root-Path", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Script-Name", "X-Original-URL"],
)
def test_both_proxies_remove_headers_that_influence_urls(header: str) -> None:
    assert f'proxy_set_header {header} "";' in SITE
    assert f"http-request del-header {header}" in HAPROXY
    assert header.lower().encode() in REMOVED_HEADERS


def test_both_proxies_have_the_limits_of_the_service() -> None:
    assert f"client_max_body_size {OTHER_BYTES // 1024**2}m;" in SITE
    assert f"gt {UPLOAD_BYTES} }}" in HAPROXY
    assert f"gt {OTHER_BYTES} }}" in HAPROXY
    for end in WITH_FILES:
        assert re.search(rf"location ~ .*{end}.*\$ ", SITE)
        assert re.search(rf"acl is_upload path_end .*{end}\b", HAPROXY) or f" {end}\n" in HAPROXY
    assert f"limit_conn lianxin_sockets {settings.SOCKETS_PER_ADDRESS};" in SITE


def test_every_process_has_a_memory_limit() -> None:
    assert re.search(r"^MemoryMax=\d+G$", SERVICE, re.M)
    for name in ("app1", "app2", "migrate", "tidy"):
        assert COMPOSE["services"][name]["mem_limit"]


def test_nginx_container_cannot_read_customers_files() -> None:
    mounted = [volume.partition(":") for volume in COMPOSE["services"]["nginx"]["volumes"]]
    assert [target for volume, _, target in mounted if volume == "state"] == []
    assert ("static", ":", "/var/lib/lianxin/static:ro") in mounted


def test_orphaned_attachments_are_removed_daily() -> None:
    timer = (DEPLOY / "systemd" / "lianxin-tidy.timer").read_text()
    assert "OnCalendar=*-*-* " in timer
    assert "manage.py tidy_attachments" in (DEPLOY / "systemd" / "lianxin-tidy.service").read_text()
    assert "lianxin-tidy.timer" in (DEPLOY / "systemd" / "lianxin.target").read_text()
    assert "tidy_attachments" in str(COMPOSE["services"]["tidy"]["command"])
