"""Finding knowledge points by what customers write and agents type. Knows no database: it is given entries.

docs/decisions/008-finding-points.md says what it is made of, and what each part is worth.
"""

from knowledge.finding.confidence import NOT_ANSWERED
from knowledge.finding.index import Hit, Index
from knowledge.finding.words import Entry

__all__ = ["NOT_ANSWERED", "Entry", "Hit", "Index"]
