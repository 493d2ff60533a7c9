from knowledge.admin import places, points

__all__ = ["places", "points"]
