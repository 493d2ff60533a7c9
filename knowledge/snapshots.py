"""Snapshots of a version for its approver: the content before and after, in the form of `accounts.approvals.digest`."""

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.approvals.digest import Fields, shown
from knowledge.content import FIELDS
from knowledge.models import Phrasing, Point, Version
from knowledge.selectors import category_paths

OBJECTS = ("department", "region", "branch")


def content_fields(version: Version, paths: Mapping[int, str]) -> Fields:
    """Return every content field of a version. `paths`: the result of `category_paths()`."""
    fields: Fields = {name: shown(getattr(version, name)) for name in FIELDS if name != "category"}
    return fields | {"category": {"id": version.category_id, "name": paths.get(version.category_id, "")}}


def before_and_after(
    published: Version | None,
    version: Version | None,
    accepted: Iterable[str],
    paths: Mapping[int, str] | None = None,
) -> tuple[Fields, Fields]:
    """Return two dicts: the fields of the published version, and those of the version to approve; {} for a missing one.

    `accepted`: the point's accepted phrasings. They are added to the second dict only if the approval makes the point
    public, because the widget searches the phrasings of public points.
    """
    known_paths = category_paths() if paths is None else paths
    before = content_fields(published, known_paths) if published is not None else {}
    after = content_fields(version, known_paths) if version is not None else {}
    if version is not None and version.is_public and not (published is not None and published.is_public):
        after["phrasings"] = list(accepted)
    return before, after


def accepted_phrasings(point: Point) -> list[str]:
    """Return the accepted phrasings of a point, in order. One query."""
    rows = point.phrasings.filter(state=Phrasing.State.ACCEPTED).order_by("pk")
    return list(rows.values_list("text", flat=True))


def with_objects(versions: Any) -> Any:
    """Add the related objects that a snapshot reads to a queryset of versions."""
    return versions.select_related(*OBJECTS)
