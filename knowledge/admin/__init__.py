from knowledge.admin import exams, places, points

__all__ = ["exams", "places", "points"]
