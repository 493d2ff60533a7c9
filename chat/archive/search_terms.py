"""The search terms of a text, and the column that holds them.

A run of Chinese, Japanese or Korean characters is split into overlapping pairs, so that every two-character word is
found wherever it stands in the run; text in other scripts is split into words. One column serves both databases: a
tsvector with a GIN index on PostgreSQL, and text mirrored into an FTS5 table on SQLite. Each hit is checked against the
text itself, because the pairs of a query may occur in a text without being adjacent.
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
    """Return the form of a text in which texts are compared.

    Compatibility forms such as full-width digits are unified, case is folded, and traditional characters are replaced
    by their simplified form.
    """
    return fold_variants(unicodedata.normalize("NFKC", text).casefold())


def terms_of(text: str) -> list[str]:
    """Return the distinct terms for the index, in order: characters and pairs of CJK runs, and words."""
    terms: dict[str, None] = {}
    for match in _RUNS.finditer(normalized(text)):
        cjk, word = match.groups()
        if cjk:
            for index, character in enumerate(cjk):
                terms[character] = None
                if index + 1 < len(cjk):
                    terms[cjk[index : index + 2]] = None
        else:
            terms[word[:64]] = None
        if len(terms) >= _MAX_TERMS:
            break
    return list(terms)


def query_terms(text: str) -> list[str]:
    """Return the terms that a message must contain to match: pairs (or the character) of each CJK run, and words."""
    terms: dict[str, None] = {}
    for match in _RUNS.finditer(normalized(text)[:200]):
        cjk, word = match.groups()
        if cjk and len(cjk) > 1:
            terms.update(dict.fromkeys(cjk[i : i + 2] for i in range(len(cjk) - 1)))
        else:
            terms[cjk or word[:64]] = None
    return list(terms)


def runs_of(text: str) -> list[str]:
    """Return the runs of a query, CJK runs and words. A hit must contain each of them in one piece."""
    return list(dict.fromkeys(match[0] for match in _RUNS.finditer(normalized(text)[:200])))


class TermsField(models.Field):  # type: ignore[type-arg]
    """A column that holds a list of terms. It is written and searched, but never read back."""

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
