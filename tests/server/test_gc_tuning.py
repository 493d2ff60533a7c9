"""Tests that a Daphne process uses the garbage-collector thresholds and the transport module for Daphne, and a uvicorn
process those for uvicorn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.gc_tuning import THRESHOLDS_DAPHNE, THRESHOLDS_UVICORN
from tests.harness.servers.process import ROOT

CODE = "import gc, {}.server, config.asgi as asgi; print(asgi.transport_of.__module__, *gc.get_threshold())"


@pytest.mark.parametrize(
    ("name", "expected"), [("daphne", THRESHOLDS_DAPHNE), ("uvicorn", THRESHOLDS_UVICORN)]
)
def test_process_has_thresholds_and_transport_of_its_server(
    name: str, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIANXIN_")}
    printed = subprocess.check_output(
        [sys.executable, "-c", CODE.format(name)],
        cwd=ROOT,
        env={**inherited, "LIANXIN_STATE_DIR": str(tmp_path)},
        text=True,
    )
    transport, *thresholds = printed.split()
    assert (transport, tuple(map(int, thresholds))) == (f"server.{name}.transport", expected)
