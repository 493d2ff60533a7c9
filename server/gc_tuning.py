"""Garbage-collector thresholds for a server process with many sockets.

A full collection with 10,000 sockets takes half a second, during which nobody is answered. By default, Python runs one
whenever the number of objects has grown by a quarter. Therefore objects that exist at start-up are frozen, and full
collections are rare. That costs little memory, because a closed socket on Daphne leaves no reference cycle behind
(`server/daphne/transport.py`, and a test). A closed socket on uvicorn leaves 1.5 KB in reference cycles of its parsers,
so full collections are ten times as frequent there.
"""

import gc

# As in `gc.set_threshold`: new containers before a young collection, young collections before a middle one, middle
# collections before a full one.
THRESHOLDS_DAPHNE = (10_000, 10, 100)
THRESHOLDS_UVICORN = (10_000, 10, 10)


def freeze_and_collect_rarely() -> None:
    """Freeze the existing objects and set the thresholds for Daphne. Call it when all modules are imported."""
    _freeze_and_set(THRESHOLDS_DAPHNE)


def freeze_and_collect_more_often() -> None:
    """Freeze the existing objects and set the thresholds for servers whose sockets leave reference cycles behind."""
    _freeze_and_set(THRESHOLDS_UVICORN)


def _freeze_and_set(thresholds: tuple[int, int, int]) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
