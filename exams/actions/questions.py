"""Actions on exam questions: propose questions from knowledge points; write, accept, decline and confirm questions.

An accepted question must be confirmed again when its point has changed.
"""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from exams import access
from exams.errors import QuestionTaken
from exams.models import Question
from exams.rules.question_generation import ProposedQuestion, SourcePoint, propose
from exams.rules.question_parsing import ParsedQuestion
from knowledge.errors import NotInState, PointNotFound
from knowledge.models import Point
from knowledge.selectors import subtree_ids

State = Question.State
MAX_POINTS = 2_000


def propose_questions(*, by: Staff, category: int | None, max_new: int = 200) -> int:
    """Generate at most `max_new` question proposals from published points; return the number of new proposals.

    With `category`, only points of this category and its subcategories are used. Nothing is proposed if the point
    already has a question of the same kind, in any state, with the same wording or for the same version of the point.
    """
    require(by, "set_exams")
    points = Point.objects.filter(published__isnull=False).select_related("published")
    if category is not None:
        points = points.filter(published__category__in=subtree_ids(category))
    sources: dict[int, list[SourcePoint]] = {}
    for point in points.order_by("pk")[:MAX_POINTS]:
        version = point.published
        assert version is not None
        source = SourcePoint(point.pk, version.number, version.title, version.answer, point.language)
        sources.setdefault(version.category_id, []).append(source)
    all_sources = [source for siblings in sources.values() for source in siblings]
    proposals = [
        proposal
        for siblings in sources.values()
        for source in siblings
        # Wrong options come from other points of the category. If the category has fewer than four points, use points
        # of all categories.
        for proposal in propose(source, siblings if len(siblings) >= 4 else all_sources)
    ]
    with transaction.atomic():
        _drop_outdated()
        known: set[tuple[object, ...]] = set()
        for point_pk, number, kind, stem in Question.objects.values_list("point", "version", "kind", "stem"):
            known |= {(point_pk, number, kind), (point_pk, kind, stem)}
        new = [
            question
            for question in map(_question, proposals)
            if not {
                (question.point_id, question.version, question.kind),
                (question.point_id, question.kind, question.stem),
            }
            & known
        ][:max_new]
        # Another editor may propose the same questions at the same time, so ignore conflicts.
        created = Question.objects.bulk_create(new, batch_size=500, ignore_conflicts=True)
        if created:
            audit.record(by, "questions.proposed", None, count=len(created), category=category)
    return len(created)


def _drop_outdated() -> None:
    """Delete undecided proposals of the system that were never used and whose version of the point is no longer
    published."""
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


def save_question(*, by: Staff, point: int, parsed: ParsedQuestion, question: int | None = None) -> Question:
    """Store a question that an editor has written or changed. It is accepted at once.

    The question belongs to the version of the point that is published now. Raises QuestionIncomplete, QuestionTaken,
    PointNotFound or ExamNotFound.
    """
    require(by, "set_exams")
    values = parsed.validated()
    try:
        with transaction.atomic():
            source_point = Point.objects.select_related("published").filter(pk=point).first()
            if source_point is None or source_point.published is None:
                raise PointNotFound
            values |= {"version": source_point.published.number, "state": State.ACCEPTED, "judged_by": by}
            if question is None:
                stored = Question.objects.create(point=source_point, author=by, **values)
            else:
                stored = access.lock_question(by, question)
                # The counts of answers and misses belong to the former wording, so a changed question starts at zero.
                is_changed = any(
                    getattr(stored, name) != values[name] for name in ("kind", "options", "answer")
                )
                values |= {"author": by} | ({"asked": 0, "missed": 0} if is_changed else {})
                for name, value in values.items():
                    setattr(stored, name, value)
                stored.save(update_fields=list(values))
            audit.record(by, "question.written", stored, point=source_point.pk)
    except IntegrityError as error:
        raise QuestionTaken from error
    return stored


def accept_question(*, by: Staff, question: int) -> None:
    """Accept a proposed question, so that papers may contain it.

    An accepted question whose point has changed is confirmed for the new version of the point. Accepting twice is
    harmless. Raises NotInState when the point is no longer published.
    """
    with transaction.atomic():
        locked = access.lock_question(by, question)
        published = locked.point.published
        if published is None:
            raise NotInState
        if locked.state == State.ACCEPTED and locked.version == published.number:
            return
        verb = "question.confirmed" if locked.state == State.ACCEPTED else "question.accepted"
        locked.state, locked.judged_by, locked.version = State.ACCEPTED, by, published.number
        locked.save(update_fields=["state", "judged_by", "version"])
        audit.record(by, verb, locked, version=locked.version)


def decline_question(*, by: Staff, question: int) -> None:
    """Decline a question, so that it is neither used on papers nor proposed again. Declining twice is harmless."""
    with transaction.atomic():
        locked = access.lock_question(by, question)
        if locked.state == State.DECLINED:
            return
        locked.state, locked.judged_by = State.DECLINED, by
        locked.save(update_fields=["state", "judged_by"])
        audit.record(by, "question.declined", locked)


def return_to_proposed(*, by: Staff, question: int) -> None:
    """Undo the decision on a question, which becomes a proposal again. A repeat is harmless."""
    with transaction.atomic():
        locked = access.lock_question(by, question)
        if locked.state != State.PROPOSED:
            locked.state, locked.judged_by = State.PROPOSED, by
            locked.save(update_fields=["state", "judged_by"])
            audit.record(by, "question.taken_back", locked)


def count_asked(asked: Sequence[int], missed: Sequence[int]) -> None:
    """Count how often questions were asked and missed. Runs in the caller's transaction.

    `asked` holds the ids of the questions on a marked paper or in a drill, and `missed` holds the ids of those that did
    not get full marks.
    """
    for pk in sorted(set(asked)):
        miss = int(pk in missed)
        Question.objects.filter(pk=pk).update(asked=F("asked") + 1, missed=F("missed") + miss)
