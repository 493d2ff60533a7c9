"""Actions on the phrasings of a point. New phrasings of a point that the widget suggests need a second person's
approval."""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction

from accounts import audit
from accounts.models import Staff
from knowledge import access
from knowledge.actions.approval_requests import (
    offered_points,
    record_writer,
    renew_version_request,
    request_phrasings,
)
from knowledge.actions.batches import BATCH_SIZE, batches
from knowledge.actions.points import touch
from knowledge.content import phrasings_of
from knowledge.models import Phrasing, Point

State = Phrasing.State
# The states of phrasings that the search uses now, or will use after approval.
KEPT = (State.ACCEPTED, State.WAITING)


def kept_phrasings(point: Point) -> list[str]:
    """Return the accepted and waiting phrasings of a point in order, to fill the editor's form. One query."""
    return list(point.phrasings.filter(state__in=KEPT).order_by("pk").values_list("text", flat=True))


def set_phrasings(*, by: Staff, point: int, phrasings: Iterable[str]) -> None:
    """Replace the phrasings of the point. Raises PointIncomplete.

    Removals take effect at once. New phrasings of a point that the widget suggests wait for approval.
    """
    texts = phrasings_of(phrasings)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        offered = offered_points([locked.pk])
        changed = replace_phrasings(by=by, wanted={locked.pk: texts}, offered=offered, removable=KEPT)
        if locked.pk not in changed:
            return
        if changed[locked.pk]:
            record_writer(locked, by)
        touch([locked.pk])
        audit.record(by, "point.phrasings_changed", locked, count=len(texts))
        _renew_requests(locked, by)


def replace_phrasings(
    *,
    by: Staff | None,
    wanted: Mapping[int, Collection[str]],
    offered: Collection[int],
    removable: Collection[State],
) -> dict[int, bool]:
    """Replace the phrasings of the points in `wanted`, a dict by point id.

    Returns a dict of the changed points by id; each value says whether the point got new phrasings. New phrasings of
    `offered` points wait for approval. Existing phrasings are removed only if their state is in `removable`. Call it in
    a transaction that holds the locks on the points.
    """
    stored: dict[int, dict[str, Phrasing]] = {pk: {} for pk in wanted}
    for pks in batches(wanted):
        for phrasing in Phrasing.objects.filter(point__in=pks):
            stored[phrasing.point_id][phrasing.text] = phrasing
    new: list[Phrasing] = []
    removed: list[int] = []
    restored: dict[State, list[int]] = {State.ACCEPTED: [], State.WAITING: []}
    changed: dict[int, bool] = {}
    for pk, texts in wanted.items():
        known, state = stored[pk], State.WAITING if pk in offered else State.ACCEPTED
        added = [Phrasing(point_id=pk, text=text, by=by, state=state) for text in texts if text not in known]
        kept = [known[text] for text in texts if text in known]
        reinstated = [phrasing.pk for phrasing in kept if phrasing.state not in (State.ACCEPTED, state)]
        dropped = [
            phrasing.pk
            for phrasing in known.values()
            if phrasing.state in removable and phrasing.text not in texts
        ]
        new += added
        removed += dropped
        restored[state] += reinstated
        if added or dropped or reinstated:
            changed[pk] = bool(added or reinstated)
    for pks in batches(removed):
        Phrasing.objects.filter(pk__in=pks).delete()
    for state, restored_pks in restored.items():
        for pks in batches(restored_pks):
            Phrasing.objects.filter(pk__in=pks).update(state=state, by=by)
    Phrasing.objects.bulk_create(new, batch_size=BATCH_SIZE)
    return changed


def add_phrasings(*, by: Staff, point: int, phrasings: Iterable[str]) -> None:
    """Add phrasings to the point. Raises PointIncomplete."""
    with transaction.atomic():
        locked = access.lock_point(by, point)
        set_phrasings(by=by, point=point, phrasings=[*kept_phrasings(locked), *phrasings])


def review_phrasing(*, by: Staff, phrasing: int, is_accepted: bool) -> None:
    """Accept or decline a suggested phrasing. Doing it twice is harmless.

    An accepted phrasing of a point that the widget suggests then waits for approval by a second person.
    """
    with transaction.atomic():
        # Lock the point first, in the same order as an approval does, to avoid a deadlock.
        point_id = Phrasing.objects.filter(pk=phrasing).values_list("point", flat=True).first()
        point = access.lock_point(by, point_id or 0)
        locked = access.lock_phrasing(by, phrasing)
        state = State.DECLINED
        if is_accepted:
            if locked.state in KEPT:
                return
            state = State.WAITING if offered_points([point.pk]) else State.ACCEPTED
            record_writer(point, by)
        elif locked.state == state:
            return
        locked.state, locked.by = state, by
        locked.save(update_fields=["state", "by"])
        touch([point.pk])
        audit.record(by, "point.phrasing_judged", point, accepted=is_accepted)
        _renew_requests(point, by)


def accept_waiting(*, by: Staff, point: Point) -> None:
    """Accept the waiting phrasings of a point. Call it in a transaction that holds the lock on the point."""
    count = point.phrasings.filter(state=State.WAITING).update(state=State.ACCEPTED)
    touch([point.pk])
    audit.record(by, "point.phrasings_changed", point, count=count)


def put_back_waiting(*, point: Point, is_rejected: bool) -> None:
    """Change the state of waiting phrasings that were not approved: to declined if `is_rejected`, otherwise to
    suggested."""
    state = State.DECLINED if is_rejected else State.SUGGESTED
    point.phrasings.filter(state=State.WAITING).update(state=state)


def _renew_requests(point: Point, by: Staff) -> None:
    request_phrasings(by=by, point=point)
    renew_version_request(by=by, point=point)
