"""What every test run needs before its first test."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType

import pytest
from django.conf import settings
from hypothesis import settings as hypothesis_settings

# The same examples every time, and no clock: a slow machine is not a fault of the code.
hypothesis_settings.register_profile("tests", derandomize=True, deadline=None, database=None)
# To look for new ones: HYPOTHESIS_PROFILE=search make test ARGS="-k words"
hypothesis_settings.register_profile("search", max_examples=2_000, deadline=None)


def pytest_configure() -> None:
    hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))
    signal.signal(signal.SIGTERM, _end_in_order)
    # Names with a hash need `collectstatic`; AppServer does that, and the browser tests cover it.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite: test on a file, as in real use. In memory it has other locks and no write-ahead log."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        folder: Path = tmp_path_factory.mktemp("sqlite")
        database.setdefault("TEST", {})["NAME"] = str(folder / "test.sqlite3")


def _end_in_order(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does: fixtures take their servers down, and a second signal does not cut that short."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
