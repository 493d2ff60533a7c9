"""Approval requests for an import, made with few SQL statements. Call these functions with the points locked."""

from collections.abc import Collection, Sequence

from accounts.approvals import actions as approvals
from accounts.approvals.authors import record_author_of_many
from accounts.models import Staff
from knowledge.actions.approval_requests import renew_version_request
from knowledge.actions.batches import batches
from knowledge.approval_kinds import PHRASINGS, VERSION
from knowledge.models import Phrasing, Point, Version
from knowledge.selectors import category_paths
from knowledge.snapshots import before_and_after, with_objects

State = Version.State


def request_imported(
    *, by: Staff, versions: Sequence[Version], rephrased: Collection[Point], offered: Collection[int]
) -> None:
    """Request approval of these versions, and of the new phrasings of points that the widget suggests.

    `rephrased`: the points whose phrasings the import has changed. `offered`: the result of `offered_points`.
    """
    keys = {version.point.key for version in versions} | {point.key for point in rephrased}
    record_author_of_many(VERSION, keys, by)
    approvals.request_many(by=by, kind=VERSION, proposals=_version_drafts(versions))
    waiting = [point for point in rephrased if point.pk in offered]
    approvals.request_many(by=by, kind=PHRASINGS, proposals=_phrasing_drafts(waiting))
    written = {version.point_id for version in versions}
    for point in rephrased:
        if point.pk not in written:
            renew_version_request(by=by, point=point)


def _version_drafts(versions: Sequence[Version]) -> list[approvals.RequestDraft]:
    paths = category_paths()
    points = [version.point_id for version in versions]
    published: dict[int, Version] = {}
    for pks in batches(points):
        for version in with_objects(Version.objects.filter(point__in=pks, state=State.PUBLISHED)):
            published[version.point_id] = version
    accepted = _phrasings([version.point_id for version in versions if version.is_public], "accepted")
    drafts = []
    for version in versions:
        current = published.get(version.point_id)
        before, after = before_and_after(current, version, accepted.get(version.point_id, ()), paths)
        drafts.append(approvals.RequestDraft(version.point.key, version.title, before, after))
    return drafts


def _phrasing_drafts(points: Collection[Point]) -> list[approvals.RequestDraft]:
    waiting = _phrasings([point.pk for point in points], "waiting")
    drafts = []
    for point in points:
        if texts := waiting.get(point.pk):
            title = point.published.title if point.published is not None else ""
            before, after = {"title": title}, {"title": title, "phrasings": texts}
            drafts.append(approvals.RequestDraft(point.key, title or point.key, before, after))
    return drafts


def _phrasings(points: Collection[int], state: str) -> dict[int, list[str]]:
    texts: dict[int, list[str]] = {}
    for pks in batches(points):
        rows = Phrasing.objects.filter(point__in=pks, state=state).order_by("pk")
        for point, text in rows.values_list("point", "text"):
            texts.setdefault(point, []).append(text)
    return texts
