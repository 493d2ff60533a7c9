"""Tests of the settings: an invalid variable is refused with its name, and docs/settings.md lists every variable.

They also guard invariant 10 of tests/test_invariants.py: logs contain no message text.
"""

from __future__ import annotations

import http.client
import json
import logging
import logging.config
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError

from chat.models import Conversation
from config import env
from server.log_format import MAX_PER_MINUTE, Throttle
from tests.harness.servers import AppServer, ServerFailed
from tests.harness.servers.process import ROOT
from tests.harness.sockets import handshake_status
from tests.people import Cast, say, start

TABLE = dict(
    re.findall(
        r"^\| `(LIANXIN_\w+)`(?: \*file\*)? \| (.+?) \|", (ROOT / "docs/settings.md").read_text(), re.M
    )
)
READERS = re.compile(r'env\.(text|flag|integer|comma_list|networks)\(\s*"(LIANXIN_\w+)"(?:, ("[^"]*"|\w+))?')
READ = READERS.findall((ROOT / "config/settings.py").read_text())


def test_settings_page_lists_exactly_the_variables() -> None:
    assert len(READ) >= 14
    assert set(TABLE) == {name for _, name, _ in READ}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_settings_page_names_the_default(name: str) -> None:
    kind, _, default = next(read for read in READ if read[1] == name)
    documented = TABLE[name].strip("`")
    match kind, default.strip('"'):
        case "flag", flag:
            assert documented == {"False": "0", "True": "1"}[flag]
        case _, ("" | "str") if name != "LIANXIN_STATE_DIR":
            assert "`" not in TABLE[name], "the variable has no default"
        case _, value if name != "LIANXIN_STATE_DIR":
            assert documented == value


@pytest.mark.parametrize("name", sorted(TABLE))
def test_settings_page_says_which_variables_can_come_from_a_file(name: str) -> None:
    kind = next(kind for kind, read, _ in READ if read == name)
    row = next(line for line in (ROOT / "docs/settings.md").read_text().splitlines() if f"`{name}`" in line)
    assert ("*file*" in row.split("|")[1]) == (kind == "text")


def test_only_the_settings_read_the_environment() -> None:
    """Check that no app reads environment variables itself.

    All variables are then read in config/settings.py, so another test can compare them with docs/settings.md.
    """
    for app in ("accounts", "chat", "console", "core", "exams", "knowledge", "privacy"):
        for path in (ROOT / app).rglob("*.py"):
            assert "environ" not in path.read_text(encoding="utf-8"), path


# -- Reading ---------------------------------------------------------------------------------------------------


# Reading the settings needs no django.setup(), which takes two seconds.
READ_SETTINGS = "from django.conf import settings; print(settings.DEBUG)"


def start_with(script: str = READ_SETTINGS, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIANXIN_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean | {"DJANGO_SETTINGS_MODULE": "config.settings", **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LIANXIN_DEBUG": "maybe"}, "LIANXIN_DEBUG"),
        ({"LIANXIN_HEARTBEAT_SECONDS": "soon"}, "LIANXIN_HEARTBEAT_SECONDS"),
        ({"LIANXIN_HEARTBEAT_SECONDS": "0"}, "LIANXIN_HEARTBEAT_SECONDS"),
        ({"LIANXIN_PROXY_COUNT": "-1"}, "LIANXIN_PROXY_COUNT"),
        ({"LIANXIN_SECRET_KEY": "short"}, "LIANXIN_SECRET_KEY"),
        ({"LIANXIN_SECRET_KEY": "x" * 40, "LIANXIN_SECRET_KEY_FILE": "/tmp/x"}, "LIANXIN_SECRET_KEY_FILE"),
        ({"LIANXIN_SECRET_KEY_FILE": "/nowhere/at/all"}, "LIANXIN_SECRET_KEY_FILE"),
        ({"LIANXIN_REDIS_URL": "redis://127.0.0.1:9/0"}, "LIANXIN_SECRET_KEY"),
        ({"LIANXIN_DATABASE_URL": "mysql://u@127.0.0.1/x"}, "LIANXIN_DATABASE_URL"),
    ],
    ids=str,
)
def test_invalid_variable_stops_the_start_and_is_named(
    variables: dict[str, str], named: str, tmp_path: Path
) -> None:
    result = start_with(LIANXIN_STATE_DIR=str(tmp_path), **variables)
    assert result.returncode == 1
    last_line = result.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last_line
    assert named in last_line


def test_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("the key of the house, and long enough\n")
    monkeypatch.delenv("LIANXIN_SECRET_KEY", raising=False)
    monkeypatch.setenv("LIANXIN_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert env.text("LIANXIN_SECRET_KEY") == "the key of the house, and long enough"


def test_secret_key_is_generated_once_without_redis(tmp_path: Path) -> None:
    for _ in range(2):
        assert start_with(LIANXIN_STATE_DIR=str(tmp_path)).stdout == "False\n"
    key = tmp_path / "secret-key"
    assert len(key.read_text()) >= 50
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LIANXIN_BEHIND_TLS": "1"}, "LIANXIN_OWN_ORIGINS"),
        (
            {"LIANXIN_REDIS_URL": "redis://127.0.0.1:9/0", "LIANXIN_SECRET_KEY": "x" * 40},
            "LIANXIN_DATABASE_URL",
        ),
    ],
    ids=["origins", "sqlite with redis"],
)
def test_server_does_not_start_with_an_unsafe_configuration(variables: dict[str, str], named: str) -> None:
    with pytest.raises(ServerFailed, match=named), AppServer(variables, prepare=False):
        pass


@pytest.mark.parametrize("count", ["0", "1"])
def test_missing_proxy_count_is_warned_about_behind_tls(count: str, tmp_path: Path) -> None:
    script = "from server.system_checks import proxies; print([m.id for m in proxies()])"
    variables = {"LIANXIN_BEHIND_TLS": "1", "LIANXIN_OWN_ORIGINS": "https://chat.bank.example"}
    result = start_with(script, LIANXIN_STATE_DIR=str(tmp_path), LIANXIN_PROXY_COUNT=count, **variables)
    assert result.stdout == ("['lianxin.W002']\n" if count == "0" else "[]\n")


def test_sqlite_syncs_every_commit_to_disk(tmp_path: Path) -> None:
    """Check that SQLite uses a write-ahead log and syncs it at every commit.

    This guards invariant 1 (accepted means committed) without PostgreSQL.
    """
    script = (
        "from django.db import connection as c; k = c.cursor();"
        "print([k.execute('PRAGMA ' + name).fetchone()[0] for name in ('journal_mode', 'synchronous')])"
    )
    assert start_with(script, LIANXIN_STATE_DIR=str(tmp_path)).stdout == "['wal', 2]\n"


# -- Logs ------------------------------------------------------------------------------------------------------


def formatted(error: BaseException, form: str = "line", **ids: str) -> str:
    """Return the text of a log record with this error, formatted by the service's logging settings."""
    configurator = logging.config.DictConfigurator(settings.LOGGING)
    formatter = configurator.configure_formatter(dict(configurator.config["formatters"][form]))
    record = logging.LogRecord("chat", logging.ERROR, __file__, 1, "a frame failed", (), None)
    record.exc_info = (type(error), error, error.__traceback__)
    vars(record).update(ids)
    line: str = formatter.format(record)
    return line


def test_json_log_line_is_one_object_with_its_ids() -> None:
    try:
        int("卡号6222020000001234567")
    except ValueError as error:
        line = formatted(error, "json", conversation="0f8fad5b", socket="7f", body="卡号6222")
    assert "\n" not in line
    fields = json.loads(line)
    assert datetime.fromisoformat(fields.pop("at")).utcoffset() == timedelta(0)
    assert "ValueError: (message left out)" in fields.pop("trace")
    assert fields == {
        "level": "ERROR",
        "logger": "chat",
        "process": os.getpid(),
        "words": "a frame failed",
        "conversation": "0f8fad5b",
        "socket": "7f",
    }


def test_readable_log_line_ends_with_its_ids() -> None:
    line = formatted(AttributeError("no"), conversation="0f8fad5b", body="卡号6222").splitlines()[0]
    assert line.endswith(" ERROR chat a frame failed conversation=0f8fad5b")


@pytest.mark.parametrize(("server", "quiet"), [("daphne", "--verbosity=0"), ("uvicorn", "--no-access-log")])
def test_every_log_line_is_json_when_json_is_set(server: Any, quiet: str) -> None:
    with AppServer({"LIANXIN_LOG_FORMAT": "json"}, server=server, options=[quiet]) as app:
        app.send_signal(signal.SIGTERM)
        assert app.wait() == 0
        lines = [json.loads(line) for line in app.log.splitlines() if "Started server process" not in line]
    assert "drained" in [line["words"] for line in lines]
    assert {"at", "level", "logger", "process"} <= lines[0].keys()


def test_unknown_log_format_is_refused(tmp_path: Path) -> None:
    result = start_with(LIANXIN_STATE_DIR=str(tmp_path), LIANXIN_LOG_FORMAT="xml")
    assert "LIANXIN_LOG_FORMAT is 'xml'" in result.stderr


@pytest.mark.both_databases
def test_database_error_is_logged_without_the_row(cast: Cast) -> None:
    """Check that the log of a database error contains no data of the row.

    PostgreSQL's own error message contains the whole row, and so the text of the newest message.
    """
    conversation = start(cast)
    say(conversation, "卡号6222020000001234567")
    with pytest.raises(IntegrityError) as caught:
        Conversation.objects.filter(pk=conversation.pk).update(status="active")
    line = formatted(caught.value)

    assert "active_has_agent_waiting_has_none" in line
    assert "IntegrityError" in line
    assert "test_settings.py" in line
    assert "6222" not in line


def test_errors_that_quote_data_are_logged_without_their_message() -> None:
    # Split the number, because the traceback in the log shows this source line.
    card = "卡号" + "6222" + "020000001234567"

    def fail() -> None:
        try:
            int(card)
        except ValueError as error:
            raise KeyError(card) from error

    with pytest.raises(KeyError) as caught:
        fail()
    line = formatted(caught.value)
    assert "6222" not in line
    assert "ValueError" in line
    assert "KeyError" in line
    assert "which caused" in line


def test_errors_about_the_program_keep_their_message() -> None:
    with pytest.raises(AttributeError) as caught:
        None.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert "'NoneType' object has no attribute 'nothing'" in formatted(caught.value)


def record_of(
    name: str, line: int = 1, message: str = "卡号%s", level: int = logging.ERROR
) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, line, message, ("6222",), None)


def test_repeated_records_of_one_line_of_code_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 6000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    throttle = Throttle(max_per_minute=3)
    assert [throttle.filter(record_of("chat")) for _ in range(5)] == [True] * 3 + [False] * 2
    assert throttle.filter(record_of("chat", line=2)), "another line of code has its own count"
    now += 60
    record = record_of("chat")
    assert throttle.filter(record)
    assert record.getMessage() == "卡号6222 (2 more of these were left out)"


def test_suspicious_request_is_a_warning_without_its_content() -> None:
    record = record_of("django.security.DisallowedHost")
    assert Throttle().filter(record)
    assert (record.levelname, record.getMessage()) == ("WARNING", "a request was refused")


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_anonymous_requests_cannot_fill_the_log(server: Any) -> None:
    with AppServer(
        {}, server=server, options=["--verbosity=0"] if server == "daphne" else ["--no-access-log"]
    ) as app:
        for _ in range(MAX_PER_MINUTE * 3):
            connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=20)
            connection.request("GET", "/console/", headers={"Host": "卡号6222.example".encode()})
            connection.getresponse().read()
            connection.close()
        handshake_status(app, "/ws/chat/", app.url)
        lines = app.log.splitlines()
    assert len(lines) < MAX_PER_MINUTE * 2 + 10, lines[-3:]
    assert "6222" not in app.log
    assert "ERROR" not in app.log
    assert "WebSocket" not in app.log, "uvicorn must not log every socket"


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({"LIANXIN_ALLOWED_HOSTS": "*"}, "E004"),
        ({"LIANXIN_ALLOWED_HOSTS": "chat.bank.example,.bank.example"}, "E004"),
        ({"LIANXIN_ALLOWED_HOSTS": "*.bank.example"}, "E004"),
        ({"LIANXIN_ALLOWED_HOSTS": "https://chat.bank.example"}, "E004"),
        ({"LIANXIN_ALLOWED_HOSTS": "chat.bank.example:443"}, "E004"),
        ({"LIANXIN_ALLOWED_HOSTS": ""}, "E004"),
        ({"LIANXIN_OWN_ORIGINS": ""}, "E001"),
        ({"LIANXIN_OWN_ORIGINS": "http://chat.bank.example"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "https://chat.bank.example/chat"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "https://*.bank.example"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "https://chat.bank.example:443"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "https://user@chat.bank.example"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "chat.bank.example"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "null"}, "E003"),
        ({"LIANXIN_OWN_ORIGINS": "https://other.example"}, "E003"),
        ({"LIANXIN_DEBUG": "1"}, "E005"),
        ({"LIANXIN_SAMPLE_BANK": "1"}, "E006"),
        ({"LIANXIN_SECRET_KEY": "a" * 50}, "E007"),
        ({"LIANXIN_SECRET_KEY": "django-insecure-0123456789abcdefghij"}, "E007"),
        ({"LIANXIN_SECRET_KEY": " "}, "LIANXIN_SECRET_KEY is set but empty"),
        ({}, ""),
    ],
    ids=str,
)
def test_unsafe_production_configuration_stops_the_start(
    variables: dict[str, str], number: str, tmp_path: Path
) -> None:
    script = "from server.system_checks import refuse_unsafe; refuse_unsafe(); print('safe')"
    safe = {
        "LIANXIN_STATE_DIR": str(tmp_path),
        "LIANXIN_BEHIND_TLS": "1",
        "LIANXIN_ALLOWED_HOSTS": "chat.bank.example",
        "LIANXIN_OWN_ORIGINS": "https://chat.bank.example",
        "LIANXIN_SECRET_KEY": "".join(map(chr, range(48, 98))),
    }
    result = start_with(script, **{**safe, **variables})
    if number:
        assert number in result.stderr
    else:
        assert (result.stdout, result.stderr) == ("safe\n", "")
