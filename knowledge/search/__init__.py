"""Search for knowledge points by a visitor's message or by the text that an agent types.

The caller supplies the entries; this package uses no database. docs/decisions/008-finding-points.md describes its parts
and how much each of them contributes.
"""

from knowledge.search.confidence import NOT_ANSWERED
from knowledge.search.hits import IndexHit
from knowledge.search.index import Index
from knowledge.search.tokenizer import IndexEntry

__all__ = ["NOT_ANSWERED", "Index", "IndexEntry", "IndexHit"]
