"""The doors to knowledge: staff read what is published, editors everything."""

from accounts.access import may, require
from accounts.models import Staff
from knowledge.errors import PointNotFound
from knowledge.models import Gap, Phrasing, Point, Version


def point_for(staff: Staff, key: str) -> Point:
    """A point that is published, or for an editor any. Raises PointNotFound, PermissionDenied."""
    require(staff, "use_knowledge")
    point = Point.objects.select_related("published", "owner").filter(key=key).first()
    if point is None or (point.published is None and not _edits(staff)):
        raise PointNotFound
    return point


def lock_point(staff: Staff, pk: int) -> Point:
    """A point that this editor may change, locked until the end. Raises PointNotFound, PermissionDenied."""
    require(staff, "edit_points")
    point = Point.objects.select_for_update(of=("self",)).select_related("published").filter(pk=pk).first()
    if point is None:
        raise PointNotFound
    return point


def lock_version(staff: Staff, pk: int, right: str = "edit_points") -> Version:
    """A version, its point locked with it. Raises PointNotFound, PermissionDenied without `right`."""
    require(staff, right)
    point = Version.objects.filter(pk=pk).values_list("point", flat=True).first()
    if point is None:
        raise PointNotFound
    lock_point(staff, point)
    return Version.objects.select_related("point", "point__published").get(pk=pk)


def lock_phrasing(staff: Staff, pk: int) -> Phrasing:
    require(staff, "edit_points")
    phrasing = Phrasing.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if phrasing is None:
        raise PointNotFound
    return phrasing


def lock_gap(staff: Staff, pk: int) -> Gap:
    require(staff, "edit_points")
    gap = Gap.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if gap is None:
        raise PointNotFound
    return gap


def _edits(staff: Staff) -> bool:
    return may(staff, "edit_points")
