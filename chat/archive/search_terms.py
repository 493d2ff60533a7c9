"""Search terms of a text, and the column that holds them.

A run of Chinese (or Japanese, Korean) characters is cut into overlapping pairs, so that every two-character
word is found wherever it stands; other scripts into words. One column serves both databases: a tsvector with a
GIN index on PostgreSQL, text mirrored into an FTS5 table on SQLite. A hit is checked against the text itself,
because pairs alone would find their letters apart.
"""

import re
import unicodedata
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from core.text.chinese_variants import fold_variants

_CJK = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_RUNS = re.compile(rf"([{_CJK}]+)|([^\W_{_CJK}]+)")
_MAX_TERMS = 2000


def normalized(text: str) -> str:
    """The text as it is compared: compatibility forms unified (full-width digits too), case folded, traditional
    characters in their simplified form."""
    return fold_variants(unicodedata.normalize("NFKC", text).casefold())


def terms_of(text: str) -> list[str]:
    """Distinct terms for the index, in order: single characters and pairs of CJK runs, whole words otherwise."""
    found: dict[str, None] = {}
    for match in _RUNS.finditer(normalized(text)):
        cjk, word = match.groups()
        if cjk:
            for index, character in enumerate(cjk):
                found[character] = None
                if index + 1 < len(cjk):
                    found[cjk[index : index + 2]] = None
        else:
            found[word[:64]] = None
        if len(found) >= _MAX_TERMS:
            break
    return list(found)


def query_terms(text: str) -> list[str]:
    """Terms that a text must hold to be a hit: the pairs of a run (or its single character), and the words."""
    found: dict[str, None] = {}
    for match in _RUNS.finditer(normalized(text)[:200]):
        cjk, word = match.groups()
        if cjk and len(cjk) > 1:
            found.update(dict.fromkeys(cjk[i : i + 2] for i in range(len(cjk) - 1)))
        else:
            found[cjk or word[:64]] = None
    return list(found)


def runs_of(text: str) -> list[str]:
    """The runs of what is looked for: each must stand in a text, whole, for the text to be a hit."""
    return list(dict.fromkeys(match[0] for match in _RUNS.finditer(normalized(text)[:200])))


class TermsField(models.Field):  # type: ignore[type-arg]
    """A list of terms, written and never read back."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"

    def get_placeholder(self, value: Any, compiler: Any, connection: BaseDatabaseWrapper) -> str:
        return "array_to_tsvector(%s::text[])" if connection.vendor == "postgresql" else "%s"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        if not isinstance(value, list):
            return value
        return value if connection.vendor == "postgresql" else " ".join(value)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> list[str]:
        return []
