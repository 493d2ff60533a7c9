"""Exam questions: proposed from points, written, accepted or declined, looked at again when the point has changed."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from exams import access
from exams.errors import QuestionTaken
from exams.models import Question
from exams.rules.question_generation import ProposedQuestion, Source, propose
from exams.rules.question_parsing import ParsedQuestion
from knowledge.errors import NotInState, PointNotFound
from knowledge.models import Point
from knowledge.selectors import subtree_ids

State = Question.State
MAX_POINTS = 2_000


def propose_questions(*, by: Staff, category: int | None, most: int = 200) -> int:
    """Proposes questions from the published points of a category and all under it, or of all; returns how many are new.

    What was proposed, accepted or declined before in the same words is not proposed again.
    """
    require(by, "set_exams")
    points = Point.objects.filter(published__isnull=False).select_related("published")
    if category is not None:
        points = points.filter(published__category__in=subtree_ids(category))
    sources: dict[int, list[Source]] = {}
    for point in points.order_by("pk")[:MAX_POINTS]:
        said = point.published
        assert said is not None
        source = Source(point.pk, said.number, said.title, said.answer, point.language)
        sources.setdefault(said.category_id, []).append(source)
    everything = [each for siblings in sources.values() for each in siblings]
    found = [
        proposal
        for siblings in sources.values()
        for source in siblings
        # A category of two or three has too few beside it: then those of the whole branch stand beside.
        for proposal in propose(source, siblings if len(siblings) >= 4 else everything)
    ]
    with transaction.atomic():
        _drop_outdated()
        known: set[tuple[object, ...]] = set()
        for about, version, kind, stem in Question.objects.values_list("point", "version", "kind", "stem"):
            known |= {(about, version, kind), (about, kind, stem)}
        new = [
            each
            for each in map(_question, found)
            if not {(each.point_id, each.version, each.kind), (each.point_id, each.kind, each.stem)} & known
        ][:most]
        # Somebody else may propose at the same time.
        made = Question.objects.bulk_create(new, batch_size=500, ignore_conflicts=True)
        if made:
            audit.record(by, "questions.proposed", None, count=len(made), category=category)
    return len(made)


def _drop_outdated() -> None:
    """Proposals that nobody has judged, of versions that are no longer said."""
    Question.objects.filter(state=State.PROPOSED, author=None, asked=0, items__isnull=True).exclude(
        version=F("point__published__number")
    ).delete()


def _question(proposal: ProposedQuestion) -> Question:
    return Question(
        point_id=proposal.point,
        version=proposal.version,
        kind=proposal.kind,
        stem=proposal.stem[:500],
        options=proposal.options,
        answer=proposal.answer,
        explanation=proposal.explanation,
    )


def save_question(*, by: Staff, point: int, written: ParsedQuestion, question: int | None = None) -> Question:
    """Stores a new question of a point, or other words of one. What an editor writes is accepted.

    It asks for the version of the point that is published now. Raises QuestionIncomplete, QuestionTaken, PointNotFound.
    """
    require(by, "set_exams")
    values = written.checked()
    try:
        with transaction.atomic():
            about = Point.objects.select_related("published").filter(pk=point).first()
            if about is None or about.published is None:
                raise PointNotFound
            values |= {"version": about.published.number, "state": State.ACCEPTED, "judged_by": by}
            if question is None:
                stored = Question.objects.create(point=about, author=by, **values)
            else:
                stored = access.lock_question(by, question)
                # What was asked in other words is not counted for these.
                is_other = any(
                    getattr(stored, name) != values[name] for name in ("kind", "options", "answer")
                )
                values |= {"author": by} | ({"asked": 0, "missed": 0} if is_other else {})
                for name, value in values.items():
                    setattr(stored, name, value)
                stored.save(update_fields=list(values))
            audit.record(by, "question.written", stored, point=about.pk)
    except IntegrityError as error:
        raise QuestionTaken from error
    return stored


def accept_question(*, by: Staff, question: int) -> None:
    """It may be drawn; an accepted one whose point has another version now is right for that as well.

    Accepting twice is harmless. Raises NotInState when the point is no longer said.
    """
    with transaction.atomic():
        found = access.lock_question(by, question)
        published = found.point.published
        if published is None:
            raise NotInState
        if found.state == State.ACCEPTED and found.version == published.number:
            return
        verb = "question.confirmed" if found.state == State.ACCEPTED else "question.accepted"
        found.state, found.judged_by, found.version = State.ACCEPTED, by, published.number
        found.save(update_fields=["state", "judged_by", "version"])
        audit.record(by, verb, found, version=found.version)


def decline_question(*, by: Staff, question: int) -> None:
    """It is not drawn, nor proposed again. Declining twice is harmless."""
    with transaction.atomic():
        found = access.lock_question(by, question)
        if found.state == State.DECLINED:
            return
        found.state, found.judged_by = State.DECLINED, by
        found.save(update_fields=["state", "judged_by"])
        audit.record(by, "question.declined", found)


def take_back(*, by: Staff, question: int) -> None:
    """A slip of the finger: what was judged is a proposal again. Twice is harmless."""
    with transaction.atomic():
        found = access.lock_question(by, question)
        if found.state != State.PROPOSED:
            found.state, found.judged_by = State.PROPOSED, by
            found.save(update_fields=["state", "judged_by"])
            audit.record(by, "question.taken_back", found)


def count_asked(asked: Sequence[int], missed: Sequence[int]) -> None:
    """In the caller's transaction: these were on a marked paper or in a drill, and these of them were not known."""
    for pk in sorted(set(asked)):
        miss = int(pk in missed)
        Question.objects.filter(pk=pk).update(asked=F("asked") + 1, missed=F("missed") + miss)
