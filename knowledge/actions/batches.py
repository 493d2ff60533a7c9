"""Splits ids into batches for SQL statements."""

from collections.abc import Collection, Iterator, Sequence

BATCH_SIZE = 500


def batches(pks: Collection[int]) -> Iterator[Sequence[int]]:
    """Split the ids into sorted batches, because SQLite limits the number of parameters of a statement."""
    wanted = sorted(pks)
    return (wanted[start : start + BATCH_SIZE] for start in range(0, len(wanted), BATCH_SIZE))
