"""The daily drill: a question in a quiet minute, coming back the sooner the less it was known (FSRS)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from fsrs import Card, Rating, Scheduler

from accounts.access import require
from accounts.models import Staff
from exams import selectors_drill
from exams.actions.questions import count_asked
from exams.errors import ExamNotFound, NotAnAnswer
from exams.models import DrillCard, DrillOffer, Exam, Question
from exams.rules.drawing import shuffled_options
from exams.rules.marking import FULL, credit_of, is_answer

# By days, not by minutes: what was missed comes back tomorrow. Without chance, so that a repeat gives the same.
scheduler = Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)


@dataclass(frozen=True)
class DrillQuestion:
    """A question as it is shown to somebody. `review`: how often they have answered it before."""

    question: Question
    review: int
    shown: list[str]
    right: Sequence[Any]


@dataclass(frozen=True)
class DrillResult:
    """What an answer came to. `credit` in hundredths; `left`: how many the day still has."""

    asked: DrillQuestion
    credit: int
    due_at: datetime
    left: int


def next_question(*, staff: Staff, now: datetime | None = None) -> DrillQuestion | None:
    """The question to ask now, None when there is none, or enough for today.

    It is stored as the only one that may be answered, and stays the same until it is: asking again shows no others.
    """
    require(staff, "use_drill")
    now = now or timezone.now()
    if selectors_drill.answered_today(staff, now) >= settings.DRILL_A_DAY:
        return None
    with transaction.atomic():
        offer = DrillOffer.objects.select_for_update().filter(staff=staff, answered_at=None).first()
        if offer is not None and (question := _askable(staff, offer.question_id, now)):
            return offered_question(staff, question, offer.review)
        found = selectors_drill.next_for(staff, now)
        if found is None:
            return None
        question, review = found
        values = {"question": question, "review": review, "offered_at": now, "answered_at": None}
        DrillOffer.objects.update_or_create(staff=staff, defaults=values)
    return offered_question(staff, question, review)


def _askable(staff: Staff, question: int, now: datetime) -> Question | None:
    return selectors_drill.askable(staff, now).filter(pk=question).first()


def exams_first(*, staff: Staff, now: datetime | None = None) -> list[Exam]:
    """The exams whose questions are not drilled before they are sat, where the day still has room for some."""
    now = now or timezone.now()
    if selectors_drill.answered_today(staff, now) >= settings.DRILL_A_DAY:
        return []
    return list(selectors_drill.exams_before(staff, now))


def offered_question(staff: Staff, question: Question, review: int) -> DrillQuestion:
    """In the same order for the same review, so that nothing has to be kept between question and answer."""
    seed = crc32(f"{staff.pk} {question.pk} {review}".encode())
    shown, right = shuffled_options(question.kind, question.options, question.answer, seed)
    return DrillQuestion(question, review, shown, right)


def answer_question(
    *, by: Staff, question: int, review: int, given: Any, now: datetime | None = None
) -> DrillResult:
    """Marks the answer and says when the question comes back. The same answer twice counts once.

    Raises NotAnAnswer, and ExamNotFound for a question that was not offered, or that has come onto a paper since.
    """
    require(by, "use_drill")
    now = now or timezone.now()
    with transaction.atomic():
        offer, found = _offered(by, question, review, now)
        asked = offered_question(by, found, review)
        if not is_answer(found.kind, given):
            raise NotAnAnswer
        credit = credit_of(found.kind, asked.right, given, found.stem)
        DrillCard.objects.get_or_create(
            staff=by,
            question=found,
            defaults={"card": Card(card_id=found.pk).to_dict(), "due_at": now, "reviewed_at": now},
        )
        card = DrillCard.objects.select_for_update().get(staff=by, question=found)
        if offer.answered_at is None:
            offer.answered_at = now
            offer.save(update_fields=["answered_at"])
            _review(card, credit, now)
            count_asked([found.pk], [] if credit == FULL else [found.pk])
    left = max(0, settings.DRILL_A_DAY - selectors_drill.answered_today(by, now))
    return DrillResult(asked, credit, card.due_at, left)


def _offered(by: Staff, question: int, review: int, now: datetime) -> tuple[DrillOffer, Question]:
    """The offer that this answers, locked: two answers at once, or a day's last two, are taken one after the other."""
    offer = (
        DrillOffer.objects.select_for_update(of=("self",))
        .select_related("question__point__published")
        .filter(staff=by, question=question, review=review)
        .first()
    )
    if offer is None:
        raise ExamNotFound
    if offer.answered_at is not None:
        return offer, offer.question
    is_enough = selectors_drill.answered_today(by, now) >= settings.DRILL_A_DAY
    found = None if is_enough else _askable(by, question, now)
    if found is None:
        raise ExamNotFound
    return offer, found


def _review(card: DrillCard, credit: int, now: datetime) -> None:
    rating = Rating.Good if credit == FULL else Rating.Hard if credit >= FULL / 2 else Rating.Again
    # As the library asks for it: in UTC.
    reviewed, _log = scheduler.review_card(Card.from_dict(card.card), rating, now.astimezone(UTC))
    card.card, card.due_at, card.reviewed_at = reviewed.to_dict(), reviewed.due, now
    if credit < FULL:
        # However well it was known before: tomorrow, before it is forgotten again.
        card.due_at = min(card.due_at, now + timedelta(days=1))
        card.misses += 1
    card.reviews += 1
    card.save(update_fields=["card", "due_at", "reviewed_at", "reviews", "misses"])
