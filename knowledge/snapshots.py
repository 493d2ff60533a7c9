"""What an approver of a version is shown: its content before and after, in the form of `accounts.approvals.digest`."""

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.approvals.digest import Fields, shown
from knowledge.content import FIELDS
from knowledge.models import Phrasing, Point, Version
from knowledge.selectors import category_paths

OBJECTS = ("department", "region", "branch")


def content_fields(version: Version, paths: Mapping[int, str]) -> Fields:
    """Every content field of a version. `paths`: `category_paths()`."""
    fields: Fields = {name: shown(getattr(version, name)) for name in FIELDS if name != "category"}
    return fields | {"category": {"id": version.category_id, "name": paths.get(version.category_id, "")}}


def before_and_after(
    published: Version | None,
    version: Version | None,
    accepted: Iterable[str],
    paths: Mapping[int, str] | None = None,
) -> tuple[Fields, Fields]:
    """What is said now, and what is to be said. No version gives no fields.

    `accepted`: the phrasings of the point. They belong to the words where these bring them to customers: the box looks
    in the phrasings of public points alone.
    """
    known = category_paths() if paths is None else paths
    before = content_fields(published, known) if published is not None else {}
    after = content_fields(version, known) if version is not None else {}
    if version is not None and version.is_public and not (published is not None and published.is_public):
        after["phrasings"] = list(accepted)
    return before, after


def accepted_phrasings(point: Point) -> list[str]:
    """The phrasings by which the point is found now, in order. One query."""
    rows = point.phrasings.filter(state=Phrasing.State.ACCEPTED).order_by("pk")
    return list(rows.values_list("text", flat=True))


def with_objects(versions: Any) -> Any:
    """A queryset of versions with everything that a snapshot reads."""
    return versions.select_related(*OBJECTS)
