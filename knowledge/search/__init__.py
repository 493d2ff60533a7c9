"""Search for knowledge points by a visitor's message or an agent's typing. It gets entries and uses no database.

docs/decisions/008-finding-points.md describes its parts and how much each of them contributes.
"""

from knowledge.search.confidence import NOT_ANSWERED
from knowledge.search.hits import IndexHit
from knowledge.search.index import Index
from knowledge.search.tokenizer import IndexEntry

__all__ = ["NOT_ANSWERED", "Index", "IndexEntry", "IndexHit"]
