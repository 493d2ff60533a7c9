"""The phrasings of a point. New ones of a point that the widget suggests need approval by a second person."""

from collections.abc import Iterable

from django.db import transaction

from accounts import audit
from accounts.models import Staff
from knowledge import access
from knowledge.actions.approval_requests import (
    is_offered_to_customers,
    record_writer,
    renew_version_request,
    request_phrasings,
)
from knowledge.actions.points import touch
from knowledge.content import phrasings_of
from knowledge.models import Phrasing, Point

State = Phrasing.State
# Phrasings by which a point is found, or will be once they are approved.
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
        stored = {phrasing.text: phrasing for phrasing in locked.phrasings.all()}
        removed = [
            phrasing for phrasing in stored.values() if phrasing.state in KEPT and phrasing.text not in texts
        ]
        new = [text for text in texts if text not in stored or stored[text].state not in KEPT]
        if not (removed or new):
            return
        locked.phrasings.filter(pk__in=[phrasing.pk for phrasing in removed]).delete()
        _add(locked, new, by)
        if new:
            record_writer(locked, by)
        touch(locked)
        audit.record(by, "point.phrasings_changed", locked, count=len(texts))
        _renew_requests(locked, by)


def add_phrasings(*, by: Staff, point: int, phrasings: Iterable[str]) -> None:
    """Add phrasings to the point. Raises PointIncomplete."""
    with transaction.atomic():
        locked = access.lock_point(by, point)
        set_phrasings(by=by, point=point, phrasings=[*kept_phrasings(locked), *phrasings])


def review_phrasing(*, by: Staff, phrasing: int, is_accepted: bool) -> None:
    """Accept or decline a suggested phrasing. Doing it twice is harmless."""
    with transaction.atomic():
        # Lock the point first, in the same order as an approval does, to avoid a deadlock.
        point_id = Phrasing.objects.filter(pk=phrasing).values_list("point", flat=True).first()
        point = access.lock_point(by, point_id or 0)
        locked = access.lock_phrasing(by, phrasing)
        state = State.DECLINED
        if is_accepted:
            if locked.state in KEPT:
                return
            state = State.WAITING if is_offered_to_customers(point) else State.ACCEPTED
            record_writer(point, by)
        elif locked.state == state:
            return
        locked.state, locked.by = state, by
        locked.save(update_fields=["state", "by"])
        touch(point)
        audit.record(by, "point.phrasing_judged", point, accepted=is_accepted)
        _renew_requests(point, by)


def accept_waiting(*, by: Staff, point: Point) -> None:
    """Accept the waiting phrasings of a point. Call it in a transaction that holds the lock on the point."""
    count = point.phrasings.filter(state=State.WAITING).update(state=State.ACCEPTED)
    touch(point)
    audit.record(by, "point.phrasings_changed", point, count=count)


def put_back_waiting(*, point: Point, is_rejected: bool) -> None:
    """Return waiting phrasings without approval: declined if they were rejected, otherwise suggested again."""
    state = State.DECLINED if is_rejected else State.SUGGESTED
    point.phrasings.filter(state=State.WAITING).update(state=state)


def _add(point: Point, texts: list[str], by: Staff) -> None:
    state = State.WAITING if is_offered_to_customers(point) else State.ACCEPTED
    point.phrasings.filter(text__in=texts).update(state=state, by=by)
    existing = set(point.phrasings.filter(text__in=texts).values_list("text", flat=True))
    Phrasing.objects.bulk_create(
        [Phrasing(point=point, text=text, by=by, state=state) for text in texts if text not in existing]
    )


def _renew_requests(point: Point, by: Staff) -> None:
    request_phrasings(by=by, point=point)
    renew_version_request(by=by, point=point)
