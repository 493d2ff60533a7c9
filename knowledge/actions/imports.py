"""Many points at once, by a few statements: from a file, from the demo, from a command. All of them or none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Model, OuterRef, Subquery
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.approvals.actions import cancel_many
from accounts.approvals.authors import forget_authors
from accounts.models import Staff
from chat.actions.canned_replies import withdraw_replies
from knowledge.actions.editions import new_edition
from knowledge.actions.import_requests import offered_points, request_imported
from knowledge.approval_kinds import VERSION
from knowledge.content import FIELDS, OBJECTS, Content, phrasings_of
from knowledge.errors import PointIncomplete
from knowledge.models import Phrasing, Point, Version

State = Version.State
AT_ONCE = 500


@dataclass(frozen=True)
class PointToImport:
    """A point as a file gives it. `phrasings` None: those that it has stay."""

    key: str
    language: str
    content: Content
    phrasings: Sequence[str] | None = None
    owner: Staff | None = None
    # Whether it says whose it is: then the owner of a point that is there already changes too.
    says_owner: bool = False


@dataclass(frozen=True)
class ImportResult:
    """`texts`: how many titles, phrasings and answers of what is new or changed have a meaning to be learned."""

    new: int
    changed: int
    unchanged: int
    texts: int = 0


class ImportRefused(PointIncomplete):
    """Nothing was stored. `rows`: what is wrong, by the number of the row, from 0, and the name of the field."""

    def __init__(self, rows: dict[int, dict[str, list[str]]]) -> None:
        super().__init__({})
        self.rows = rows


def import_points(*, by: Staff | None, given: Iterable[PointToImport]) -> ImportResult:
    """Stores what is new or says something else than what is stored, as one transaction.

    What a person brings in (`by`) waits for a second person's approval; what a command brings in is published. A point
    with words in the making gets these in their place. Raises ImportRefused.
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
            .filter(key__in=[each.key for each in points])
            .order_by("pk")
        }
        making = {
            version.point_id: version
            for version in Version.objects.filter(
                point__in=stored.values(), state__in=(State.DRAFT, State.REVIEW, State.APPROVED)
            )
        }
        last = _last_said(
            [point for point in stored.values() if not point.published and point.pk not in making]
        )
        new = [each for each in points if each.key not in stored]
        made = Point.objects.bulk_create(
            [Point(key=each.key, language=each.language, owner=each.owner) for each in new],
            batch_size=AT_ONCE,
        )
        stored |= {point.key: point for point in made}
        changed = [
            each
            for each in points
            if _differs(
                making.get(stored[each.key].pk)
                or stored[each.key].published
                or last.get(stored[each.key].pk),
                checked[each.key],
            )
        ]
        moved = _put_circumstances(points, stored)
        versions = _versions(by, changed, stored, making, checked)
        if by is None:
            _publish(versions)
        offered = offered_points([point.pk for point in stored.values()]) if by is not None else set()
        rephrased = _put_phrasings(by, points, stored, offered)
        if by is not None:
            other = [point for point in stored.values() if point.pk in rephrased]
            request_imported(by=by, versions=versions, rephrased=other, offered=offered)
        touched = rephrased | moved | {version.point_id for version in versions if by is None}
        if touched:
            edition = new_edition()
            for pks in _parts(sorted(touched)):
                Point.objects.filter(pk__in=pks).update(edition=edition)
        texts = sum(2 + len(each.phrasings or ()) for each in changed)
        outcome = ImportResult(len(new), len(changed) - len(new), len(points) - len(changed), texts)
        audit.record(by, "points.imported", None, new=outcome.new, changed=outcome.changed)
    return outcome


def _checked(points: Sequence[PointToImport]) -> dict[str, dict[str, object]]:
    problems: dict[int, dict[str, list[str]]] = {}
    checked: dict[str, dict[str, object]] = {}
    for number, each in enumerate(points):
        found: dict[str, list[str]] = {}
        try:
            checked[each.key] = each.content.checked()
        except PointIncomplete as refusal:
            found |= refusal.problems
        try:
            phrasings_of(each.phrasings or ())
        except PointIncomplete as refusal:
            found |= refusal.problems
        if found:
            problems[number] = found
    if problems:
        raise ImportRefused(problems)
    return checked


def _differs(version: Version | None, values: dict[str, object]) -> bool:
    return version is None or any(_stored_value(version, name) != _value(values[name]) for name in FIELDS)


def _stored_value(version: Version, name: str) -> object:
    """Of what is an object of another table its id: nothing is read for it."""
    return getattr(version, f"{name}_id" if name in OBJECTS else name)


def _value(value: object) -> object:
    return value.pk if isinstance(value, Model) else value


def _last_said(points: Sequence[Point]) -> dict[int, Version]:
    """What was said last of points that are withdrawn: in the same words they stay so."""
    found: dict[int, Version] = {}
    for pks in _parts([point.pk for point in points]):
        for version in Version.objects.filter(point__in=pks).order_by("number"):
            found[version.point_id] = version
    return found


def _put_circumstances(points: Sequence[PointToImport], stored: dict[str, Point]) -> set[int]:
    """Language and owner, which are the point's and not a version's. Returns the ids of those that changed."""
    changed = []
    for each in points:
        point = stored[each.key]
        owner = each.owner.pk if each.owner else None
        if point.language != each.language or (each.says_owner and point.owner_id != owner):
            point.language = each.language
            point.owner_id = owner if each.says_owner else point.owner_id
            changed.append(point)
    Point.objects.bulk_update(changed, ["language", "owner"], batch_size=AT_ONCE)
    return {point.pk for point in changed}


def _versions(
    by: Staff | None,
    changed: Sequence[PointToImport],
    stored: dict[str, Point],
    making: dict[int, Version],
    checked: dict[str, dict[str, object]],
) -> list[Version]:
    last = {
        pk: number
        for pks in _parts([stored[each.key].pk for each in changed])
        for pk, number in Version.objects.filter(point__in=pks)
        .values_list("point")
        .annotate(last=Max("number"))
        .order_by()
    }
    now = timezone.now()
    state = State.REVIEW if by is not None else State.APPROVED
    new, old = [], []
    for each in changed:
        point = stored[each.key]
        version = making.get(point.pk)
        if version is None:
            version = Version(point=point, number=last.get(point.pk, 0) + 1)
            new.append(version)
        else:
            old.append(version)
        for name, value in (checked[each.key] | {"state": state, "author": by, "written_at": now}).items():
            setattr(version, name, value)
        version.reviewer, version.reviewed_at, version.point = None, None, point
    Version.objects.bulk_create(new, batch_size=AT_ONCE)
    written = [*FIELDS, "state", "author", "written_at", "reviewer", "reviewed_at"]
    Version.objects.bulk_update(old, written, batch_size=AT_ONCE)
    return new + old


def _publish(versions: Sequence[Version]) -> None:
    """As `points.publish` does one by one."""
    now = timezone.now()
    before = [version.point.published for version in versions if version.point.published is not None]
    for each in before:
        withdraw_replies(source=each.source)
    for pks in _parts([each.pk for each in before]):
        Version.objects.filter(pk__in=pks).update(state=State.REPLACED, ended_at=now)
    for pks in _parts([version.pk for version in versions]):
        Version.objects.filter(pk__in=pks).update(state=State.PUBLISHED, published_at=now)
    keys = [version.point.key for version in versions]
    cancel_many(kind=VERSION, subjects=keys)
    forget_authors(VERSION, keys)
    said = Version.objects.filter(point=OuterRef("pk"), state=State.PUBLISHED).values("pk")[:1]
    for pks in _parts([version.point_id for version in versions]):
        Point.objects.filter(pk__in=pks).update(published=Subquery(said))


def _put_phrasings(
    by: Staff | None, points: Sequence[PointToImport], stored: dict[str, Point], offered: set[int]
) -> set[int]:
    """Returns the ids of the points whose phrasings are others now.

    New ones of `offered` points wait for approval, beside those that wait already: a file names accepted ones alone.
    """
    wanted = {
        stored[each.key].pk: phrasings_of(each.phrasings) for each in points if each.phrasings is not None
    }
    had: dict[int, dict[str, Phrasing]] = {pk: {} for pk in wanted}
    for pks in _parts(sorted(wanted)):
        for phrasing in Phrasing.objects.filter(point__in=pks):
            had[phrasing.point_id][phrasing.text] = phrasing
    accepted, waiting = Phrasing.State.ACCEPTED, Phrasing.State.WAITING
    new: list[Phrasing] = []
    gone: list[int] = []
    back: dict[Phrasing.State, list[int]] = {accepted: [], waiting: []}
    touched: set[int] = set()
    for pk, texts in wanted.items():
        kept = set(texts)
        found = had[pk]
        state = waiting if pk in offered else accepted
        mine = [Phrasing(point_id=pk, text=text, by=by, state=state) for text in texts if text not in found]
        out = [each.pk for each in found.values() if each.state == accepted and each.text not in kept]
        again = [
            each.pk for each in found.values() if each.state not in (accepted, state) and each.text in kept
        ]
        new, gone = new + mine, gone + out
        back[state] += again
        if mine or out or again:
            touched.add(pk)
    for pks in _parts(gone):
        Phrasing.objects.filter(pk__in=pks).delete()
    for state, found_again in back.items():
        for pks in _parts(found_again):
            Phrasing.objects.filter(pk__in=pks).update(state=state)
    Phrasing.objects.bulk_create(new, batch_size=AT_ONCE)
    return touched


def _parts(pks: Sequence[int]) -> Iterable[Sequence[int]]:
    """In lots, because SQLite takes only so many parameters."""
    return (pks[start : start + AT_ONCE] for start in range(0, len(pks), AT_ONCE))
