"""`make demo`: the whole service with a little bank, in one process, on SQLite and without another server."""

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
    help = "Prepares the demo and turns into its server. Ctrl-C ends it; the data stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            raise CommandError("The demo runs on SQLite: unset LIANXIN_DATABASE_URL.")
        url = f"http://{HOST}:{port}/"
        try:
            held_until_it_serves = process_lock.acquire(settings.STATE_DIR, url)
        except process_lock.AlreadyRunning as held:
            raise CommandError(
                f"这份数据已有一个服务在用（{held.owner_info or '正在启动'}），先停掉它。\n"
                f"A server already runs on this data ({held.owner_info or 'starting'}): stop it first,"
                " or name another folder in LIANXIN_STATE_DIR."
            ) from None
        refuse_busy(port)
        if not Path(settings.DATABASES["default"]["NAME"]).exists():
            self.stdout.write("  正在准备，约十秒 … Preparing, about ten seconds …")
            self.stdout.flush()
        try:
            call_command("migrate", verbosity=0)
            collect_static()
            call_command("load_demo", port=port, verbosity=0)
        except KeyboardInterrupt:
            # What was half done is undone by its transaction; the next start does it again.
            sys.exit(130)
        os.environ["LIANXIN_SAMPLE_BANK"] = "1"
        self.stdout.write(welcome(url))
        self.stdout.flush()
        os.close(held_until_it_serves)
        os.execv(  # noqa: S606
            sys.executable,
            [
                *(sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), "--verbosity", "0"),
                *("--ping-interval", "15", "--ping-timeout", "25", "--no-server-name"),
                "config.asgi:application",
            ],
        )


def refuse_busy(port: int) -> None:
    """Raises CommandError when the port cannot be had."""
    with socket.socket() as probe:
        # As the server itself does: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            other = port + 10 if 0 < port < 65_000 else 8000
            raise CommandError(
                f"端口 {port} 不能用，换一个：make demo PORT={other}\n"
                f"Port {port} cannot be used ({words}). Choose another: make demo PORT={other}"
            ) from None


def collect_static() -> None:
    """Collects the static files when one of them has changed since the last time."""
    paths = [storage.path(name) for finder in get_finders() for name, storage in finder.list([])]
    # How they are collected is written in server and in config/settings.py.
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
    """The addresses and the logins, as a table for people who read Chinese or English."""
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
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
