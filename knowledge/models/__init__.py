"""What the bank knows: points with their versions, branches, and how points are used."""

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
