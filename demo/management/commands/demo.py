"""The `demo` command (`make demo`): runs the whole service with an invented bank, in one process on SQLite."""

import os
import socket
import sys
import unicodedata
from argparse import ArgumentParser
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

import server
from demo.bank import PASSWORD, PEOPLE
from server import process_lock

HOST = "127.0.0.1"
ADDRESSES = [
    ("", "样例网站", "a sample bank page with the chat"),
    ("console/", "坐席台", "the agents' console"),
    ("admin/", "管理后台", "the administration"),
]
LOGINS = [
    ("lin", "坐席", "agent"),
    ("zhao", "坐席", "agent"),
    ("zhou", "主管", "supervisor"),
    ("bian", "知识编辑", "knowledge editor"),
    ("song", "审计", "auditor"),
    ("admin", "管理员", "administrator"),
]


class Command(BaseCommand):
    help = "Prepares the demo and starts its server. Ctrl-C stops it; the data stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            raise CommandError("The demo runs on SQLite: unset LIANXIN_DATABASE_URL.")
        url = f"http://{HOST}:{port}/"
        try:
            lock = process_lock.acquire(settings.STATE_DIR, url)
        except process_lock.AlreadyRunning as holder:
            raise CommandError(
                f"这份数据已有一个服务在用（{holder.owner_info or '正在启动'}），先停掉它。\n"
                f"Another server is using this data ({holder.owner_info or 'starting'}). Stop it first,"
                " or set LIANXIN_STATE_DIR to another folder."
            ) from None
        require_free_port(port)
        if not Path(settings.DATABASES["default"]["NAME"]).exists():
            self.stdout.write("  正在准备，约十秒 … Preparing, about ten seconds …")
            self.stdout.flush()
        try:
            call_command("migrate", verbosity=0)
            collect_static()
            call_command("load_demo", port=port, verbosity=0)
        except KeyboardInterrupt:
            # The transaction undoes a half-loaded demo; the next start loads it again.
            sys.exit(130)
        os.environ["LIANXIN_SAMPLE_BANK"] = "1"
        self.stdout.write(welcome(url))
        self.stdout.flush()
        os.close(lock)
        os.execv(  # noqa: S606
            sys.executable,
            [
                *(sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), "--verbosity", "0"),
                *("--ping-interval", "15", "--ping-timeout", "25", "--no-server-name"),
                "config.asgi:application",
            ],
        )


def require_free_port(port: int) -> None:
    """Raise CommandError when the port cannot be used."""
    with socket.socket() as probe:
        # The server sets this option, too: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            other = port + 10 if 0 < port < 65_000 else 8000
            raise CommandError(
                f"端口 {port} 不能用，换一个：make demo PORT={other}\n"
                f"Port {port} cannot be used ({reason}). Choose another: make demo PORT={other}"
            ) from None


def collect_static() -> None:
    """Run `collectstatic` if a static file has changed since the last run."""
    paths = [storage.path(name) for finder in get_finders() for name, storage in finder.list([])]
    # Also run `collectstatic` after a change to the settings or to server/, because that code decides how files are
    # collected.
    paths += map(str, Path(server.__path__[0]).glob("*.py"))
    paths.append(str(settings.BASE_DIR / "config" / "settings.py"))
    files = sorted((path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in paths)
    fingerprint = sha256(repr(files).encode()).hexdigest()
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(fingerprint)


def welcome(url: str) -> str:
    """Return the text that is printed at the start: addresses and logins as a table, in Chinese and English."""
    rows = [(url + path, zh, en) for path, zh, en in ADDRESSES]
    people = {person.username: person for person in PEOPLE}
    logins = [
        (name, PASSWORD, f"{people[name].name} {people[name].number}", zh, f"{people[name].name_en}, {en}")
        for name, zh, en in LOGINS
    ]
    lines = ["", "  连心 Lianxin · 青岚银行 Qinglan Bank", "", *table(rows)]
    lines += ["", *table([("用户名 user", "密码 password", "姓名", "角色", "name, role"), *logins])]
    return "\n".join([*lines, "", "  Ctrl-C 结束，数据保留。 Ctrl-C ends it; the data stays.", ""])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "   ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def width(text: str) -> int:
    """Return the width of a text in terminal columns. A Chinese character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
