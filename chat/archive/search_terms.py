"""Splits texts into search terms, and defines the database column for them.

A run is a sequence of Chinese, Japanese or Korean characters, or a word in another script. A run of CJK characters is
split into overlapping pairs, so that every two-character word is found anywhere in the run. The column is a tsvector
with a GIN index on PostgreSQL, and text that is mirrored into an FTS5 table on SQLite. Matches must be checked against
the text itself, because the pairs of a query may occur in a text without being adjacent.
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
    """Return the normalized form of a text, for comparison with other texts.

    Compatibility forms such as full-width digits become ordinary characters, letters become lower case, and traditional
    Chinese characters become simplified.
    """
    return fold_variants(unicodedata.normalize("NFKC", text).casefold())


def terms_of(text: str) -> list[str]:
    """Return the distinct terms of a text for the index: CJK characters, pairs of adjacent CJK characters, and
    words.

    Runs of the text after the first _MAX_TERMS terms are left out.
    """
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
    """Return the terms of a query; a message must contain all of them to match.

    The terms are the words, the pairs of adjacent CJK characters, and every CJK character that stands alone. Only the
    first 200 characters of the query count.
    """
    terms: dict[str, None] = {}
    for match in _RUNS.finditer(normalized(text)[:200]):
        cjk, word = match.groups()
        if cjk and len(cjk) > 1:
            terms.update(dict.fromkeys(cjk[i : i + 2] for i in range(len(cjk) - 1)))
        else:
            terms[cjk or word[:64]] = None
    return list(terms)


def runs_of(text: str) -> list[str]:
    """Return the runs of a query: words, and sequences of CJK characters. A match must contain each run in one
    piece.

    Only the first 200 characters of the query count.
    """
    return list(dict.fromkeys(match[0] for match in _RUNS.finditer(normalized(text)[:200])))


class TermsField(models.Field):  # type: ignore[type-arg]
    """A database column for the list of search terms of a text. It is written and searched, but never read."""

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
