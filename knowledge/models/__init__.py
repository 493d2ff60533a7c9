"""What the bank knows: points with their versions, places, how they are used, and exams about them."""

from knowledge.models.drill import DrillCard, DrillOffer
from knowledge.models.exams import (
    Appeal,
    Exam,
    ExamShare,
    Paper,
    PaperItem,
    Question,
    QuestionKind,
)
from knowledge.models.places import Branch, Region
from knowledge.models.points import Category, Edition, Phrasing, Point, PointFile, Version
from knowledge.models.use import Gap, GapQuestion, Use

__all__ = [
    "Appeal",
    "Branch",
    "Category",
    "DrillCard",
    "DrillOffer",
    "Edition",
    "Exam",
    "ExamShare",
    "Gap",
    "GapQuestion",
    "Paper",
    "PaperItem",
    "Phrasing",
    "Point",
    "PointFile",
    "Question",
    "QuestionKind",
    "Region",
    "Use",
    "Version",
]
