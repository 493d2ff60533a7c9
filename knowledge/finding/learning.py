"""Learning from phrasings: which features tell an entry from those it is taken for.

A linear classifier over the features of the entries' own phrasings, trained on all phrasings at once by the likelihood
of the right entry among those that come near (multinomial logistic regression). An entry has weights only for features
that its own phrasings have: so 5,000 entries take megabytes and seconds, and hardly anything is lost by it.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

# The larger, the more a phrasing counts against the wish for small weights.
STRENGTH = 4.0
ROUNDS = 40
# Pairs of a phrasing and an entry that it is compared with, in all.
MAX_PAIRS = 400_000
MIN_NEAR = 8
# A feature that more of all entries have does not say what comes near.
COMMON = 0.1

ROOT = Path(__file__).resolve().parents[2]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


class Weights(NamedTuple):
    """`value[k]` is what feature `feature[k]` says for entry `entry[k]`; sorted by feature, then entry."""

    feature: Ints
    entry: Ints
    value: Floats


def centroids(rows: Any, owner: Ints, entries: int) -> Weights:
    """Without learning: the sum of an entry's phrasings, less the more of them there are."""
    count = np.bincount(owner, minlength=entries).astype(np.float32)
    by_entry = sparse.csr_matrix(
        (1 / np.sqrt(count[owner]), (owner, np.arange(len(owner)))),
        shape=(entries, len(owner)),
        dtype=np.float32,
    )
    return _weights((by_entry @ rows).tocsc())


def learned(rows: Any, owner: Ints, entries: int) -> Floats:
    """A value for each of the `centroids`. `rows`: a sparse matrix of phrasings by features; `owner`: whose each is."""
    start = centroids(rows, owner, entries)
    features = rows.shape[1]
    keys = start.entry.astype(np.int64) * features + start.feature
    order = np.argsort(keys)
    keys = keys[order]
    pairs, first, is_own = _pairs(rows, owner, start, entries)
    design = _design(rows, pairs, keys, features)
    groups = np.diff(np.append(first, len(is_own)))
    own = np.flatnonzero(is_own)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = design @ weights
        scores -= np.repeat(np.maximum.reduceat(scores, first), groups)
        likely = np.exp(scores)
        total = np.add.reduceat(likely, first)
        value = -(scores[own] - np.log(total)).sum() * STRENGTH + 0.5 * weights @ weights
        likely /= np.repeat(total, groups)
        likely[own] -= 1
        return float(value), STRENGTH * (design.T @ likely) + weights

    found = minimize(
        loss, np.zeros(len(keys)), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS, "maxcor": 6}
    )
    value = np.empty(len(keys), dtype=np.float32)
    value[order] = found.x
    return value


def learned_apart(rows: Any, owner: Ints, entries: int) -> Floats:
    """The same in a process of its own, at the lowest priority: a server goes on serving meanwhile."""
    with TemporaryDirectory(prefix="lianxin-learning-") as folder:
        given, taken = Path(folder) / "given.npz", Path(folder) / "taken.npy"
        np.savez(
            given,
            data=rows.data, indices=rows.indices, indptr=rows.indptr, shape=rows.shape, owner=owner, entries=entries,
        )  # fmt: skip
        # Our own module and our own files: nothing of what anybody wrote is in the command.
        command = [sys.executable, "-m", "knowledge.finding.learning", str(given), str(taken)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=ROOT)  # noqa: S603
        value: Floats = np.load(taken)
        return value


def _main(given: str, taken: str) -> None:
    os.nice(19)
    with np.load(given) as stored:
        rows = sparse.csr_matrix(
            (stored["data"], stored["indices"], stored["indptr"]), shape=tuple(stored["shape"])
        )
        np.save(taken, learned(rows, stored["owner"], int(stored["entries"])))


def _pairs(
    rows: Any, owner: Ints, start: Weights, entries: int
) -> tuple[tuple[Ints, Ints], Ints, NDArray[np.bool_]]:
    """Each phrasing with its entry and those it comes nearest to: (phrasing, entry), where each phrasing's begin, and
    which are its own."""
    phrasings = len(owner)
    near = min(entries, max(MIN_NEAR, MAX_PAIRS // phrasings))
    if near >= entries:
        row = np.repeat(np.arange(phrasings, dtype=np.int32), entries)
        entry = np.tile(np.arange(entries, dtype=np.int32), phrasings)
        first = np.arange(0, phrasings * entries, entries, dtype=np.int32)
        return (row, entry), first, entry == owner[row]
    spread = np.bincount(start.feature, minlength=rows.shape[1])
    says = sparse.csr_matrix((start.value, (start.feature, start.entry)), shape=(rows.shape[1], entries))
    says = sparse.diags((spread <= max(5, COMMON * entries)).astype(np.float32)) @ says
    found: list[Ints] = []
    for begin in range(0, phrasings, 512):
        part = (rows[begin : begin + 512] @ says).toarray()
        part[np.arange(len(part)), owner[begin : begin + 512]] = np.inf
        found.append(np.argpartition(part, -near, axis=1)[:, -near:].astype(np.int32))
    entry = np.concatenate(found).ravel()
    row = np.repeat(np.arange(phrasings, dtype=np.int32), near)
    return (row, entry), np.arange(0, len(row), near, dtype=np.int32), entry == owner[row]


def _design(rows: Any, pairs: tuple[Ints, Ints], keys: NDArray[np.int64], features: int) -> Any:
    """The matrix by which weights become scores: a row for each pair, a column for each weight."""
    phrasing, entry = pairs
    parts: list[Any] = []
    for begin in range(0, len(phrasing), 100_000):
        of = rows[phrasing[begin : begin + 100_000]]
        lengths = np.diff(of.indptr)
        wanted = np.repeat(entry[begin : begin + 100_000].astype(np.int64), lengths) * features + of.indices
        at = np.searchsorted(keys, wanted)
        at[at == len(keys)] = 0
        is_there = keys[at] == wanted
        row = np.repeat(np.arange(len(lengths)), lengths)[is_there]
        parts.append(
            sparse.csr_matrix(
                (of.data[is_there], (row, at[is_there])), shape=(len(lengths), len(keys)), dtype=np.float32
            )
        )
    return sparse.vstack(parts, format="csr")


def _weights(by_feature: Any) -> Weights:
    """Of a sparse matrix of entries by features, in columns."""
    by_feature.sort_indices()
    feature = np.repeat(np.arange(by_feature.shape[1], dtype=np.int32), np.diff(by_feature.indptr))
    return Weights(feature, by_feature.indices.astype(np.int32), by_feature.data.astype(np.float32))


if __name__ == "__main__":
    _main(*sys.argv[1:])
