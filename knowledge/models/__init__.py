"""Models of the bank's knowledge: points with their versions, branches, and the use of points."""

from knowledge.models.branches import Branch, Region
from knowledge.models.point_use import UnansweredQuestion, UnansweredQuestionExample, Use
from knowledge.models.points import Category, Edition, Phrasing, Point, PointFile, Version

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
