"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management.color import no_style
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from chat.actions.posts import Outcome, Post, post_batch
from chat.protocol import ConversationChanged, Event, MessagePosted, Row, SeenChanged
from chat.realtime import delivery
from demo.clock import clock_set
from knowledge.published_index import published
from server import gc_tuning
from tests.harness.servers import AppServer, emptying
from tests.people import Cast, create_cast

# Use the same examples in every run, and no deadline, because a slow machine is not a fault of the code.
hypothesis_settings.register_profile("tests", derandomize=True, deadline=None, database=None)
# To search for new counterexamples: HYPOTHESIS_PROFILE=search make test ARGS="-k words"
hypothesis_settings.register_profile("search", max_examples=2_000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))
    signal.signal(signal.SIGTERM, _interrupt)
    # Tests in this process use static files without hashed names, so they need no `collectstatic`. (AppServer runs it
    # for the tests with servers.) Create the folder, because WhiteNoise warns if it does not exist.
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    # Use a separate folder, so that tests and a server that runs on the checkout's data do not disturb each other.
    state = tempfile.TemporaryDirectory(prefix="lianxin-tests-")
    config.add_cleanup(state.cleanup)
    settings.STATE_DIR = Path(state.name)
    # Do not start an encoder process for the few points of a test.
    settings.LEARNING = False
    # Hash passwords as in production, but in one round: a million rounds take half a second for each password.
    PBKDF2PasswordHasher.iterations = 1
    # Replace a private method of Django. If Django renames this method, the tests only take longer.
    TransactionTestCase._fixture_teardown = _empty_tables  # type: ignore[attr-defined]
    # Set this here, because the URLconf reads it only once, when it is loaded.
    settings.SAMPLE_BANK = True
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def pytest_collection_finish() -> None:
    """Make garbage collections as rare as in a server, which saves a twentieth of the tests' time."""
    gc_tuning.freeze_and_collect_rarely()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Store a SQLite test database in a file, as in production. In memory it has different locks and no write-ahead
    log."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        folder: Path = tmp_path_factory.mktemp("sqlite")
        database.setdefault("TEST", {})["NAME"] = str(folder / "test.sqlite3")
        # As in PrivatePostgres: a commit survives a killed process, but need not survive a power cut.
        database["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"


@pytest.fixture
def cast(db: None) -> Cast:
    """Create the people and the site of tests/people.py in the test's database."""
    return create_cast()


@pytest.fixture(scope="module")
def shared_transaction(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Open a transaction for data that all tests of a module read. The changes that a test makes itself are rolled back
    after the test."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def empty_published_index() -> None:
    """Clear this process's index of published points before each test.

    The index is read again only for a higher edition, but a rollback after a test lowers the edition.
    """
    published.forget()


@pytest.fixture
def one_day() -> Iterator[None]:
    """Stop Django's clock in this process for a test that counts by the day or by the minute.

    Otherwise midnight may fall between two readings of the clock. The clocks of server processes keep running.
    """
    with clock_set(timezone.now()):
        yield


@dataclass(frozen=True)
class Processes:
    """Two server processes on the test's database and Redis: one runs Daphne and one runs uvicorn."""

    daphne: AppServer
    uvicorn: AppServer

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a further server on the same database, Redis and static files."""
        own = self.daphne.environment()
        return {name: own[name] for name in own if name.startswith("LIANXIN_")} | changes


def bank_environment(database: str, redis: str) -> dict[str, str]:
    """Return the environment variables for a server on this database and Redis."""
    return {
        "LIANXIN_DATABASE_URL": database,
        "LIANXIN_REDIS_URL": redis,
        "LIANXIN_SECRET_KEY": settings.SECRET_KEY,
    }


@pytest.fixture(scope="session")
def processes(django_db_setup: None) -> Iterator[Processes]:
    """Run both servers. Tests need `transactional_db`, so that the processes and the test see each other's data."""
    url = urlsplit(os.environ["LIANXIN_DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    env = bank_environment(database, os.environ["LIANXIN_REDIS_URL"])
    processes = Processes(AppServer(env, prepare=False), AppServer(env, prepare=False, server="uvicorn"))
    processes.daphne.collect()
    processes.uvicorn.collect()
    with processes.daphne, processes.uvicorn:
        yield processes


class Announced:
    """Collects the events that the actions of a test announce, in place of the hub.

    It also checks that two different rows of a conversation have different revisions.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._rows: dict[tuple[str, int], Row] = {}

    def add(self, events: list[Event], received_at: Sequence[float] = ()) -> None:
        for event in events:
            if isinstance(event, MessagePosted | SeenChanged | ConversationChanged):
                row = event.row
                assert self._rows.setdefault((row.id, row.revision), row) == row
        self._events += events

    def take(self) -> list[Event]:
        """Return the events announced since the last call.

        The pending on-commit hooks of the test's transaction are run first. Changes that were rolled back announce
        nothing.
        """
        pending, connection.run_on_commit = connection.run_on_commit, []
        for on_commit in pending:
            on_commit[1]()
        events, self._events = self._events, []
        return events

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.take()]


class WriterAtOnce:
    """Replaces the writer: stores posts immediately, in the test's transaction. The real writer's thread could not see
    the data of that transaction."""

    def post(self, post: Post) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        (outcome,), _ = post_batch([post])
        future.set_result(outcome)
        return future


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Announced:
    announced = Announced()
    monkeypatch.setattr(delivery, "announce", announced.add)
    return announced


def _empty_tables(_: TransactionTestCase) -> None:
    """Empty the database after a test that has committed, except the tables that `migrate` fills.

    Django's own method also empties and refills those tables, which takes most of its time.
    """
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    emptied = sorted({*tables} - {"auth_permission", "django_content_type"})
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        connection.connection.execute(emptying(emptied))
    else:
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied))


def _interrupt(number: int, _: FrameType | None) -> None:
    """Handle a termination signal: raise KeyboardInterrupt, as Ctrl-C does, so that fixtures stop their servers. Ignore
    the same signal from then on."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
