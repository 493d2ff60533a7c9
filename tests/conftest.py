"""What every test run needs before its first test."""

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
from django.db import connection
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from chat.actions.posts import Outcome, Post, post_batch
from chat.protocol import Event
from chat.realtime import delivery
from demo.clock import clock_set
from knowledge.published_index import published
from tests.harness.servers import AppServer
from tests.people import Cast, create_cast

# The same examples every time, and no clock: a slow machine is not a fault of the code.
hypothesis_settings.register_profile("tests", derandomize=True, deadline=None, database=None)
# To look for new ones: HYPOTHESIS_PROFILE=search make test ARGS="-k words"
hypothesis_settings.register_profile("search", max_examples=2_000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))
    signal.signal(signal.SIGTERM, _end_in_order)
    # Names with a hash need `collectstatic`; AppServer does that, and the browser tests cover it.
    # The folder itself has to be there: WhiteNoise warns without it.
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    # A server that runs on the checkout's own data is not in the way of its tests, nor they in its.
    state = tempfile.TemporaryDirectory(prefix="lianxin-tests-")
    config.add_cleanup(state.cleanup)
    settings.STATE_DIR = Path(state.name)
    # A process beside for every handful of points of a test would be a waste.
    settings.LEARNING = False
    # Before the addresses are read.
    settings.SAMPLE_BANK = True
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite: test on a file, as in real use. In memory it has other locks and no write-ahead log."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        folder: Path = tmp_path_factory.mktemp("sqlite")
        database.setdefault("TEST", {})["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture
def cast(db: None) -> Cast:
    """Everybody of tests/people.py, in the database of this test."""
    return create_cast()


@pytest.fixture(autouse=True)
def empty_library() -> None:
    """The library of this process follows the database forwards; a test's database goes back."""
    published.forget()


@pytest.fixture
def one_day() -> Iterator[None]:
    """For tests that count by the day or by the minute: stops Django's clock when the test begins.

    Otherwise midnight may fall between two readings of it. The clocks of server processes go on.
    """
    with clock_set(timezone.now()):
        yield


@dataclass(frozen=True)
class Processes:
    """Two server processes on the test's database and Redis, of the two kinds that are supported."""

    daphne: AppServer
    uvicorn: AppServer


def bank_environment(database: str, redis: str) -> dict[str, str]:
    """A bank's settings, for a server on this database and Redis."""
    return {
        "LIANXIN_DATABASE_URL": database,
        "LIANXIN_REDIS_URL": redis,
        "LIANXIN_SECRET_KEY": settings.SECRET_KEY,
    }


@pytest.fixture(scope="session")
def processes(django_db_setup: None) -> Iterator[Processes]:
    """For tests with `transactional_db`: what a test stores, both processes see, and the other way round."""
    url = urlsplit(os.environ["LIANXIN_DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    env = bank_environment(database, os.environ["LIANXIN_REDIS_URL"])
    with (
        AppServer(env, prepare=False) as daphne,
        AppServer(env, prepare=False, server="uvicorn") as uvicorn,
    ):
        yield Processes(daphne, uvicorn)


class Announced:
    """What the actions of a test announced. In place of the hub: nobody listens here."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, events: list[Event], received_at: Sequence[float] = ()) -> None:
        self._events += events

    def take(self) -> list[Event]:
        """The events since the last call, of what would have been committed by now; what was rolled back has none."""
        pending, connection.run_on_commit = connection.run_on_commit, []
        for on_commit in pending:
            on_commit[1]()
        events, self._events = self._events, []
        return events

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.take()]


class WriterAtOnce:
    """The writer's own work in the test's transaction, which the writer's thread could not see."""

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


def _end_in_order(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does: fixtures take their servers down, and a second signal does not cut that short."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
