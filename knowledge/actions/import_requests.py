"""What an import sends for approval, by a few statements. In the caller's transaction, the points locked."""

from collections.abc import Collection, Iterable, Sequence

from accounts.approvals import actions as approvals
from accounts.approvals.authors import record_author_of_many
from accounts.models import Staff
from knowledge.actions.approval_requests import renew_version_request
from knowledge.approval_kinds import PHRASINGS, VERSION
from knowledge.models import Phrasing, Point, Version
from knowledge.selectors import category_paths
from knowledge.snapshots import before_and_after, with_objects

State = Version.State
AT_ONCE = 500


def offered_points(points: Collection[int]) -> set[int]:
    """Those of the points that the box may offer to customers, now or from a day for which that is approved."""
    said = Version.objects.filter(state__in=(State.PUBLISHED, State.APPROVED), is_public=True)
    return {pk for pks in _lots(points) for pk in said.filter(point__in=pks).values_list("point", flat=True)}


def request_imported(
    *, by: Staff, versions: Sequence[Version], rephrased: Collection[Point], offered: Collection[int]
) -> None:
    """Send these versions for approval, and the new phrasings of points that the box offers.

    `rephrased`: the points whose phrasings the import has changed.
    """
    keys = {version.point.key for version in versions} | {point.key for point in rephrased}
    record_author_of_many(VERSION, keys, by)
    approvals.request_many(by=by, kind=VERSION, proposals=_version_proposals(versions))
    waiting = [point for point in rephrased if point.pk in offered]
    approvals.request_many(by=by, kind=PHRASINGS, proposals=_phrasing_proposals(waiting))
    written = {version.point_id for version in versions}
    for point in rephrased:
        if point.pk not in written:
            renew_version_request(by=by, point=point)


def _version_proposals(versions: Sequence[Version]) -> list[approvals.RequestDraft]:
    paths = category_paths()
    points = [version.point_id for version in versions]
    published: dict[int, Version] = {}
    for pks in _lots(points):
        for version in with_objects(Version.objects.filter(point__in=pks, state=State.PUBLISHED)):
            published[version.point_id] = version
    accepted = _phrasings([version.point_id for version in versions if version.is_public], "accepted")
    proposals = []
    for version in versions:
        said = published.get(version.point_id)
        before, after = before_and_after(said, version, accepted.get(version.point_id, ()), paths)
        proposals.append(approvals.RequestDraft(version.point.key, version.title, before, after))
    return proposals


def _phrasing_proposals(points: Collection[Point]) -> list[approvals.RequestDraft]:
    waiting = _phrasings([point.pk for point in points], "waiting")
    proposals = []
    for point in points:
        if texts := waiting.get(point.pk):
            title = point.published.title if point.published is not None else ""
            before, after = {"title": title}, {"title": title, "phrasings": texts}
            proposals.append(approvals.RequestDraft(point.key, title or point.key, before, after))
    return proposals


def _phrasings(points: Collection[int], state: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pks in _lots(points):
        rows = Phrasing.objects.filter(point__in=pks, state=state).order_by("pk")
        for point, text in rows.values_list("point", "text"):
            found.setdefault(point, []).append(text)
    return found


def _lots(pks: Collection[int]) -> Iterable[Sequence[int]]:
    """SQLite takes only a limited number of parameters in one statement."""
    wanted = sorted(pks)
    return (wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE))
