from knowledge.admin import branches, points

__all__ = ["branches", "points"]
