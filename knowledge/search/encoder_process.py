"""Encodes texts in a separate process at the lowest priority; 5,000 new points take about a minute."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from knowledge.search.embeddings import Vectors, set_vector_store, vector_store, vectors_of

# Up to this many texts are encoded in the calling process; more are encoded in a child process.
MAX_TEXTS_IN_CALLER = 200
ROOT = Path(__file__).resolve().parents[2]


def encode_in_process(texts: Sequence[str]) -> Vectors:
    """Return the vectors of texts, like `vectors_of`.

    More than MAX_TEXTS_IN_CALLER texts are encoded in a child process, so that this process is not slowed down. Raises
    CalledProcessError if the child fails.
    """
    store = vector_store()
    if store is not None and len(texts) > MAX_TEXTS_IN_CALLER:
        # Only one process of a machine encodes at a time. A process that waited for the lock finds the vectors in the
        # store.
        with store.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = [sys.executable, "-m", "knowledge.search.encoder_process", str(store)]
            subprocess.run(command, input=json.dumps(list(texts)), encoding="utf-8", check=True, cwd=ROOT)  # noqa: S603
    return vectors_of(texts)


def _main(store: str) -> None:
    os.nice(19)
    set_vector_store(Path(store))
    vectors_of(json.load(sys.stdin))


if __name__ == "__main__":
    _main(*sys.argv[1:])
