from knowledge.admin import exams

__all__ = ["exams"]
