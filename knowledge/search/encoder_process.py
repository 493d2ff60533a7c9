"""Vectors worked out by a process of its own at the lowest priority: a minute's work for 5,000 points that are new."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from knowledge.search.embeddings import Vectors, keep_vectors_in, kept_in, vectors_of

# Fewer are not worth a process.
MANY = 200
ROOT = Path(__file__).resolve().parents[2]


def encode_in_process(texts: Sequence[str]) -> Vectors:
    """As `vectors_of`, and this process is not slowed down. Raises CalledProcessError."""
    store = kept_in()
    if store is not None and len(texts) > MANY:
        # Processes of one machine take turns, and who comes later finds the work done.
        with store.with_suffix(".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            command = [sys.executable, "-m", "knowledge.search.encoder_process", str(store)]
            subprocess.run(command, input=json.dumps(list(texts)), encoding="utf-8", check=True, cwd=ROOT)  # noqa: S603
    return vectors_of(texts)


def _main(store: str) -> None:
    os.nice(19)
    keep_vectors_in(Path(store))
    vectors_of(json.load(sys.stdin))


if __name__ == "__main__":
    _main(*sys.argv[1:])
