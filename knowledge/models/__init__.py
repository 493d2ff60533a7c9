"""Models of the bank's knowledge: points with their versions, branches, and the use of points."""

from knowledge.models.branches import Branch, Region
from knowledge.models.points import Category, Edition, Phrasing, Point, PointFile, Version
from knowledge.models.use import UnansweredQuestion, UnansweredQuestionExample, Use

__all__ = [
    "Branch",
    "Category",
    "Edition",
    "Phrasing",
    "Point",
    "PointFile",
    "Region",
    "UnansweredQuestion",
    "UnansweredQuestionExample",
    "Use",
    "Version",
]
