"""What the bank knows: points with their versions, branches, and how points are used."""

from knowledge.models.branches import Branch, Region
from knowledge.models.points import Category, Edition, Phrasing, Point, PointFile, Version
from knowledge.models.use import Gap, GapQuestion, Use

__all__ = [
    "Branch",
    "Category",
    "Edition",
    "Gap",
    "GapQuestion",
    "Phrasing",
    "Point",
    "PointFile",
    "Region",
    "Use",
    "Version",
]
