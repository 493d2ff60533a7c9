"""Fixture shared by the tests of the search."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from knowledge.search import embeddings


@pytest.fixture(scope="package", autouse=True)
def vector_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Store the vectors of entries, as servers do, so that several indexes of the demo's points encode a text once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_store", tmp_path_factory.mktemp("vectors") / "vectors.sqlite3")
        yield
