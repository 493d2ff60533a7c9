"""Exams about knowledge points: questions, exams, papers, appeals, and the daily drill."""

from exams.models.drill import DrillCard, DrillOffer
from exams.models.exams import Appeal, Exam, ExamShare, Paper, PaperItem, Question, QuestionKind

__all__ = [
    "Appeal",
    "DrillCard",
    "DrillOffer",
    "Exam",
    "ExamShare",
    "Paper",
    "PaperItem",
    "Question",
    "QuestionKind",
]
