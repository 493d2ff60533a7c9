"""Finding knowledge points by what customers write and agents type. Knows no database: it is given entries.

docs/decisions/008-finding-points.md says what it is made of, and what each part is worth.
"""

from knowledge.search.confidence import NOT_ANSWERED
from knowledge.search.index import Index, IndexHit
from knowledge.search.tokenizer import IndexEntry

__all__ = ["NOT_ANSWERED", "Index", "IndexEntry", "IndexHit"]
