"""What the editors' pages do in one step: each puts the small actions together, as one transaction."""

from collections.abc import Iterable

from django.db import transaction

from accounts.access import require
from accounts.models import Staff
from knowledge import access
from knowledge.actions.phrasings import add_phrasings, set_phrasings
from knowledge.actions.points import create_point, save_draft, set_owner, submit
from knowledge.actions.use import settle_unanswered
from knowledge.content import FIELDS, Content, phrasings_of
from knowledge.errors import DraftChanged, PointIncomplete
from knowledge.models import Point, UnansweredQuestion, Version

# Of the questions of a gap, so many become phrasings of the point that answers it.
FROM_UNANSWERED = 40


def seen_of(point: Point) -> str:
    """What stands for the words that an editor begins with: another text when somebody has written since."""
    newest = point.versions.order_by("-number").values_list("number", "written_at").first()
    return f"{newest[0]} {newest[1].isoformat()}" if newest else ""


def begin_point(
    *,
    by: Staff,
    key: str,
    language: str,
    owner: Staff | None,
    content: Content,
    phrasings: Iterable[str],
    gap: int | None = None,
    is_ready: bool = False,
) -> Version:
    """A new point, sent for review at once if `is_ready`; it settles the `gap` that asked for it.

    Raises KeyTaken, PointIncomplete.
    """
    with transaction.atomic():
        version = create_point(
            by=by, key=key, language=language, owner=owner, content=content, phrasings=phrasings
        )
        if gap is not None and UnansweredQuestion.objects.filter(pk=gap).exists():
            settle_unanswered(by=by, gap=gap, point=version.point)
        if is_ready:
            submit(by=by, version=version.pk)
    return version


def revise_point(
    *,
    by: Staff,
    point: int,
    seen: str,
    content: Content,
    phrasings: Iterable[str],
    owner: Staff | None,
    is_ready: bool = False,
) -> None:
    """The owner changes at once, and so do phrasings of a point that the box does not offer; other words than those
    that stand become a draft.

    `seen`: `seen_of` the point when the editor began. Raises DraftChanged when somebody has written since,
    PointIncomplete with every problem.
    """
    problems: dict[str, list[str]] = {}
    for check in (content.checked, lambda: phrasings_of(phrasings)):
        try:
            check()
        except PointIncomplete as refusal:
            problems |= refusal.problems
    if problems:
        raise PointIncomplete(problems)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if seen != seen_of(locked):
            raise DraftChanged
        newest = locked.versions.order_by("-number").first()
        assert newest is not None
        set_phrasings(by=by, point=point, phrasings=phrasings)
        set_owner(by=by, point=point, owner=owner)
        values = content.values()
        is_other = any(getattr(newest, name) != values[name] for name in FIELDS)
        # What was withdrawn may be said again in the same words, if a second person agrees.
        if is_other or newest.state in (Version.State.WITHDRAWN, Version.State.REPLACED):
            newest = save_draft(by=by, point=point, content=content)
        if is_ready and newest.state == Version.State.DRAFT:
            submit(by=by, version=newest.pk)


def answer_unanswered(*, by: Staff, gap: int, point: Point, with_questions: bool) -> None:
    """The point answers what was asked; `with_questions`: and is found by it from now on."""
    require(by, "edit_points")
    with transaction.atomic():
        found = access.lock_unanswered(by, gap)
        if with_questions:
            asked = [found.text, *found.questions.values_list("text", flat=True)[:FROM_UNANSWERED]]
            add_phrasings(by=by, point=point.pk, phrasings=asked)
        settle_unanswered(by=by, gap=gap, point=point)


def dismiss_unanswered(*, by: Staff, gap: int) -> None:
    """It needs no point."""
    settle_unanswered(by=by, gap=gap, point=None)
