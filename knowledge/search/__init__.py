"""Finding knowledge points by what customers write and agents type. Knows no database: it is given entries.

docs/decisions/008-finding-points.md says what it is made of, and what each part is worth.
"""

from knowledge.search.confidence import NOT_ANSWERED
from knowledge.search.index import Hit, Index
from knowledge.search.tokenizer import Entry

__all__ = ["NOT_ANSWERED", "Entry", "Hit", "Index"]
