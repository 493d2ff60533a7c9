"""Imports many points from a file, the demo or a command, in one transaction with few SQL statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Model
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.approvals.actions import cancel_many
from accounts.models import Staff
from knowledge.actions.approval_requests import offered_points
from knowledge.actions.batches import BATCH_SIZE, batches
from knowledge.actions.import_requests import request_imported
from knowledge.actions.phrasings import replace_phrasings
from knowledge.actions.points import publish, touch
from knowledge.approval_kinds import VERSION
from knowledge.content import FIELDS, OBJECTS, Content, phrasings_of
from knowledge.errors import PointIncomplete
from knowledge.models import Phrasing, Point, Version

State = Version.State


@dataclass(frozen=True)
class PointToImport:
    """A point to import. If `phrasings` is None, an existing point keeps its phrasings."""

    key: str
    language: str
    content: Content
    phrasings: Sequence[str] | None = None
    owner: Staff | None = None
    # Whether `owner` also replaces the owner of an existing point.
    has_owner: bool = False


@dataclass(frozen=True)
class ImportResult:
    """The numbers of new, changed and unchanged points of an import.

    `texts` is the number of titles, phrasings and answers that must now be encoded for the search.
    """

    new: int
    changed: int
    unchanged: int
    texts: int = 0


class ImportRefused(PointIncomplete):
    """The import has invalid rows, and nothing was stored.

    `rows` maps the index of a row, from 0, to the messages about each of its fields.
    """

    def __init__(self, rows: dict[int, dict[str, list[str]]]) -> None:
        super().__init__({})
        self.rows = rows


def import_points(*, by: Staff | None, given: Iterable[PointToImport]) -> ImportResult:
    """Store new and changed points in one transaction. Raises ImportRefused.

    If `by` is a person, the content needs approval by a second person. If `by` is None, a server command runs the
    import, and the content is published at once. Imported content overwrites an unpublished version of a point.
    """
    if by is not None:
        require(by, "edit_points")
    points = list(given)
    checked = _checked(points)
    with transaction.atomic():
        stored = {
            point.key: point
            for point in Point.objects.select_for_update(of=("self",))
            .select_related("published")
            .filter(key__in=[imported.key for imported in points])
            .order_by("pk")
        }
        unpublished = {
            version.point_id: version
            for version in Version.objects.filter(
                point__in=stored.values(), state__in=(State.DRAFT, State.REVIEW, State.APPROVED)
            )
        }
        last_versions = _newest_versions(
            [point for point in stored.values() if not point.published and point.pk not in unpublished]
        )
        new = [imported for imported in points if imported.key not in stored]
        created = Point.objects.bulk_create(
            [Point(key=imported.key, language=imported.language, owner=imported.owner) for imported in new],
            batch_size=BATCH_SIZE,
        )
        stored |= {point.key: point for point in created}
        changed = [
            imported
            for imported in points
            if _differs(
                unpublished.get(stored[imported.key].pk)
                or stored[imported.key].published
                or last_versions.get(stored[imported.key].pk),
                checked[imported.key],
            )
        ]
        updated = _update_points(points, stored)
        versions = _write_versions(by, changed, stored, unpublished, checked)
        if by is None:
            cancel_many(kind=VERSION, subjects=[version.point.key for version in versions])
            publish(versions)
        offered = offered_points([point.pk for point in stored.values()]) if by is not None else set()
        wanted = {
            stored[imported.key].pk: phrasings_of(imported.phrasings)
            for imported in points
            if imported.phrasings is not None
        }
        # Keep phrasings that already wait for approval, because a file lists only accepted phrasings.
        removable = (Phrasing.State.ACCEPTED,)
        rephrased = replace_phrasings(by=by, wanted=wanted, offered=offered, removable=removable).keys()
        if by is not None:
            rephrased_points = [point for point in stored.values() if point.pk in rephrased]
            request_imported(by=by, versions=versions, rephrased=rephrased_points, offered=offered)
        touched = rephrased | updated | {version.point_id for version in versions if by is None}
        if touched:
            touch(touched)
        texts = sum(2 + len(imported.phrasings or ()) for imported in changed)
        result = ImportResult(len(new), len(changed) - len(new), len(points) - len(changed), texts)
        audit.record(by, "points.imported", None, new=result.new, changed=result.changed)
    return result


def _checked(points: Sequence[PointToImport]) -> dict[str, dict[str, object]]:
    """Return the validated content of each point by its key. Raises ImportRefused."""
    rows: dict[int, dict[str, list[str]]] = {}
    checked: dict[str, dict[str, object]] = {}
    for index, point in enumerate(points):
        problems: dict[str, list[str]] = {}
        try:
            checked[point.key] = point.content.checked()
        except PointIncomplete as refusal:
            problems |= refusal.problems
        try:
            phrasings_of(point.phrasings or ())
        except PointIncomplete as refusal:
            problems |= refusal.problems
        if problems:
            rows[index] = problems
    if rows:
        raise ImportRefused(rows)
    return checked


def _differs(version: Version | None, values: dict[str, object]) -> bool:
    return version is None or any(_stored_value(version, name) != _value(values[name]) for name in FIELDS)


def _stored_value(version: Version, name: str) -> object:
    """Return the value of a content field; for a foreign key its id, which needs no query."""
    return getattr(version, f"{name}_id" if name in OBJECTS else name)


def _value(value: object) -> object:
    return value.pk if isinstance(value, Model) else value


def _newest_versions(points: Sequence[Point]) -> dict[int, Version]:
    """Return the newest version of each withdrawn point, by the id of the point.

    If the imported content is the same as that version, the point stays withdrawn.
    """
    newest: dict[int, Version] = {}
    for pks in batches([point.pk for point in points]):
        for version in Version.objects.filter(point__in=pks).order_by("number"):
            newest[version.point_id] = version
    return newest


def _update_points(points: Sequence[PointToImport], stored: dict[str, Point]) -> set[int]:
    """Update language and owner, which belong to the point and not to a version. Returns the ids of changed points."""
    changed = []
    for imported in points:
        point = stored[imported.key]
        owner = imported.owner.pk if imported.owner else None
        if point.language != imported.language or (imported.has_owner and point.owner_id != owner):
            point.language = imported.language
            point.owner_id = owner if imported.has_owner else point.owner_id
            changed.append(point)
    Point.objects.bulk_update(changed, ["language", "owner"], batch_size=BATCH_SIZE)
    return {point.pk for point in changed}


def _write_versions(
    by: Staff | None,
    changed: Sequence[PointToImport],
    stored: dict[str, Point],
    unpublished: dict[int, Version],
    checked: dict[str, dict[str, object]],
) -> list[Version]:
    last_numbers = {
        pk: number
        for pks in batches([stored[imported.key].pk for imported in changed])
        for pk, number in Version.objects.filter(point__in=pks)
        .values_list("point")
        .annotate(last=Max("number"))
        .order_by()
    }
    now = timezone.now()
    state = State.REVIEW if by is not None else State.APPROVED
    new, old = [], []
    for imported in changed:
        point = stored[imported.key]
        version = unpublished.get(point.pk)
        if version is None:
            version = Version(point=point, number=last_numbers.get(point.pk, 0) + 1)
            new.append(version)
        else:
            old.append(version)
        for name, value in (
            checked[imported.key] | {"state": state, "author": by, "written_at": now}
        ).items():
            setattr(version, name, value)
        version.reviewer, version.reviewed_at, version.point = None, None, point
    Version.objects.bulk_create(new, batch_size=BATCH_SIZE)
    written = [*FIELDS, "state", "author", "written_at", "reviewer", "reviewed_at"]
    Version.objects.bulk_update(old, written, batch_size=BATCH_SIZE)
    return new + old
