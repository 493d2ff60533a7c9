"""The phrasings of a point. Those of a point that the box offers to customers wait for a second person."""

from collections.abc import Iterable

from django.db import transaction

from accounts import audit
from accounts.models import Staff
from knowledge import access
from knowledge.actions.approval_requests import (
    is_offered_to_customers,
    note_writer,
    renew_version_request,
    request_phrasings,
)
from knowledge.actions.points import touch
from knowledge.content import phrasings_of
from knowledge.models import Phrasing, Point

State = Phrasing.State
# By which a point is found, or is to be found.
KEPT = (State.ACCEPTED, State.WAITING)


def kept_phrasings(point: Point) -> list[str]:
    """The phrasings of a point, accepted or waiting, in order: what an editor's form begins with. One query."""
    return list(point.phrasings.filter(state__in=KEPT).order_by("pk").values_list("text", flat=True))


def set_phrasings(*, by: Staff, point: int, phrasings: Iterable[str]) -> None:
    """Make these the phrasings of the point. What is left out goes at once; new ones of a point that the box offers
    wait for a second person. Raises PointIncomplete."""
    texts = phrasings_of(phrasings)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        stored = {phrasing.text: phrasing for phrasing in locked.phrasings.all()}
        gone = [each for each in stored.values() if each.state in KEPT and each.text not in texts]
        new = [text for text in texts if text not in stored or stored[text].state not in KEPT]
        if not (gone or new):
            return
        locked.phrasings.filter(pk__in=[each.pk for each in gone]).delete()
        _add(locked, new, by)
        if new:
            note_writer(locked, by)
        touch(locked)
        audit.record(by, "point.phrasings_changed", locked, count=len(texts))
        _renew_requests(locked, by)


def add_phrasings(*, by: Staff, point: int, phrasings: Iterable[str]) -> None:
    """Add these to the phrasings of the point. Raises PointIncomplete."""
    with transaction.atomic():
        locked = access.lock_point(by, point)
        set_phrasings(by=by, point=point, phrasings=[*kept_phrasings(locked), *phrasings])


def judge_phrasing(*, by: Staff, phrasing: int, is_accepted: bool) -> None:
    """Accept or decline what was suggested from use. Doing it twice is harmless."""
    with transaction.atomic():
        # The point first, as everywhere: an approval locks it before anything of it.
        known = Phrasing.objects.filter(pk=phrasing).values_list("point", flat=True).first()
        point = access.lock_point(by, known or 0)
        found = access.lock_phrasing(by, phrasing)
        state = State.DECLINED
        if is_accepted:
            if found.state in KEPT:
                return
            state = State.WAITING if is_offered_to_customers(point) else State.ACCEPTED
            note_writer(point, by)
        elif found.state == state:
            return
        found.state, found.by = state, by
        found.save(update_fields=["state", "by"])
        touch(point)
        audit.record(by, "point.phrasing_judged", point, accepted=is_accepted)
        _renew_requests(point, by)


def accept_waiting(*, by: Staff, point: Point) -> None:
    """A second person has approved the phrasings that wait. In the caller's transaction, the point locked."""
    count = point.phrasings.filter(state=State.WAITING).update(state=State.ACCEPTED)
    touch(point)
    audit.record(by, "point.phrasings_changed", point, count=count)


def put_back_waiting(*, point: Point, is_rejected: bool) -> None:
    """Nobody has approved the phrasings that wait: rejected ones are declined, others are suggested again."""
    state = State.DECLINED if is_rejected else State.SUGGESTED
    point.phrasings.filter(state=State.WAITING).update(state=state)


def _add(point: Point, texts: list[str], by: Staff) -> None:
    state = State.WAITING if is_offered_to_customers(point) else State.ACCEPTED
    point.phrasings.filter(text__in=texts).update(state=state, by=by)
    known = set(point.phrasings.filter(text__in=texts).values_list("text", flat=True))
    Phrasing.objects.bulk_create(
        [Phrasing(point=point, text=text, by=by, state=state) for text in texts if text not in known]
    )


def _renew_requests(point: Point, by: Staff) -> None:
    request_phrasings(by=by, point=point)
    renew_version_request(by=by, point=point)
