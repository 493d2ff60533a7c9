"""A server process gets the garbage-collector thresholds of its own server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.gc_tuning import THRESHOLDS_DAPHNE, THRESHOLDS_UVICORN
from tests.harness.servers.process import ROOT


@pytest.mark.parametrize(
    ("server", "expected"), [("daphne.server", THRESHOLDS_DAPHNE), ("uvicorn.server", THRESHOLDS_UVICORN)]
)
def test_process_has_thresholds_of_its_server(
    server: str, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIANXIN_")}
    printed = subprocess.check_output(
        [sys.executable, "-c", f"import gc, {server}, config.asgi; print(*gc.get_threshold())"],
        cwd=ROOT,
        env={**inherited, "LIANXIN_STATE_DIR": str(tmp_path)},
        text=True,
    )
    assert tuple(map(int, printed.split())) == expected
