"""Actions for the editors' pages. Each action combines several smaller actions in one transaction."""

from collections.abc import Iterable

from django.db import transaction

from accounts.access import require
from accounts.models import Staff
from knowledge import access
from knowledge.actions.phrasings import add_phrasings, set_phrasings
from knowledge.actions.point_use import settle_unanswered
from knowledge.actions.points import create_point, save_draft, set_owner, submit
from knowledge.content import FIELDS, Content, phrasings_of
from knowledge.errors import DraftChanged, PointIncomplete
from knowledge.models import Point, UnansweredQuestion, Version

# When a point answers an unanswered question, at most this many examples of the question become phrasings of the point.
FROM_UNANSWERED = 40


def edit_token(point: Point) -> str:
    """Return a token for the newest version of a point. The token changes each time somebody saves the point.

    An editor's form keeps the token, so that an older form cannot overwrite newer content.
    """
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
    """Create a point and return its first version. With `is_ready`, the version is also submitted for approval.

    `gap` is the id of an unanswered question that the point answers; this question is then settled, too. Raises
    KeyTaken, PointIncomplete.
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
    """Change the owner, phrasings and content of a point. With `is_ready`, the version is also submitted for approval.

    The owner changes at once. New phrasings take effect at once if the widget does not suggest the point; otherwise
    they wait for approval. Changed content becomes a draft.

    `seen` is the `edit_token` of the point when the editor began. Raises DraftChanged if somebody else has saved the
    point since then, and PointIncomplete with every problem.
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
        if seen != edit_token(locked):
            raise DraftChanged
        newest = locked.versions.order_by("-number").first()
        assert newest is not None
        set_phrasings(by=by, point=point, phrasings=phrasings)
        set_owner(by=by, point=point, owner=owner)
        values = content.values()
        has_changed = any(getattr(newest, name) != values[name] for name in FIELDS)
        # Saving a withdrawn version unchanged also makes a draft, so that it can be published again after approval.
        if has_changed or newest.state in (Version.State.WITHDRAWN, Version.State.REPLACED):
            newest = save_draft(by=by, point=point, content=content)
        if is_ready and newest.state == Version.State.DRAFT:
            submit(by=by, version=newest.pk)


def answer_unanswered(*, by: Staff, gap: int, point: Point, with_questions: bool) -> None:
    """Settle the unanswered question `gap` as answered by `point`.

    With `with_questions`, the question's text and at most FROM_UNANSWERED of its examples become phrasings of the
    point.
    """
    require(by, "edit_points")
    with transaction.atomic():
        question = access.lock_unanswered(by, gap)
        if with_questions:
            texts = [question.text, *question.questions.values_list("text", flat=True)[:FROM_UNANSWERED]]
            add_phrasings(by=by, point=point.pk, phrasings=texts)
        settle_unanswered(by=by, gap=gap, point=point)


def dismiss_unanswered(*, by: Staff, gap: int) -> None:
    """Settle an unanswered question that needs no point."""
    settle_unanswered(by=by, gap=gap, point=None)
