"""Actions of the daily drill: agents practise exam questions one at a time.

The FSRS algorithm schedules repetitions, so that poorly known questions return sooner.
"""

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

# Without learning steps, intervals are whole days and a missed question returns the next day. Without fuzzing (random
# changes of intervals), a repeated answer gives the same due date.
scheduler = Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)


@dataclass(frozen=True)
class DrillQuestion:
    """A drill question with its options in the order in which one person sees them.

    `review` is the number of times that the person has answered the question before. `shown` holds the options in
    display order. `right` is the right answer, given as indices of `shown`.
    """

    question: Question
    review: int
    shown: list[str]
    right: Sequence[Any]


@dataclass(frozen=True)
class DrillResult:
    """The result of an answer in the drill.

    `credit` is 0 to 100, and `left_today` is the number of questions left until the daily limit.
    """

    drill_question: DrillQuestion
    credit: int
    due_at: datetime
    left_today: int


def next_question(*, staff: Staff, now: datetime | None = None) -> DrillQuestion | None:
    """Return the drill question to ask now. Returns None if there is no question to ask, or if the daily limit is
    reached.

    The function stores which question it returned, and the person may answer only that one. It returns the same
    question until it is answered, so nobody can look through all questions.
    """
    require(staff, "use_drill")
    now = now or timezone.now()
    if selectors_drill.answered_today(staff, now) >= settings.DRILL_A_DAY:
        return None
    with transaction.atomic():
        offer = DrillOffer.objects.select_for_update().filter(staff=staff, answered_at=None).first()
        if offer is not None and (question := _askable(staff, offer.question_id, now)):
            return offered_question(staff, question, offer.review)
        next_up = selectors_drill.next_question_for(staff, now)
        if next_up is None:
            return None
        question, review = next_up
        values = {"question": question, "review": review, "offered_at": now, "answered_at": None}
        DrillOffer.objects.update_or_create(staff=staff, defaults=values)
    return offered_question(staff, question, review)


def _askable(staff: Staff, question: int, now: datetime) -> Question | None:
    return selectors_drill.askable(staff, now).filter(pk=question).first()


def exams_to_sit_first(*, staff: Staff, now: datetime | None = None) -> list[Exam]:
    """Return the open exams that the person may still sit.

    Until the person has sat an exam, the drill asks no questions that may be in it.

    The list is empty when the daily limit of the drill is reached.
    """
    now = now or timezone.now()
    if selectors_drill.answered_today(staff, now) >= settings.DRILL_A_DAY:
        return []
    return list(selectors_drill.exams_to_sit_first(staff, now))


def offered_question(staff: Staff, question: Question, review: int) -> DrillQuestion:
    """Return the question for display, with its options shuffled.

    The order depends only on the person, the question and `review`, so the order need not be stored.
    """
    seed = crc32(f"{staff.pk} {question.pk} {review}".encode())
    shown, right = shuffled_options(question.kind, question.options, question.answer, seed)
    return DrillQuestion(question, review, shown, right)


def answer_question(
    *, by: Staff, question: int, review: int, given: Any, now: datetime | None = None
) -> DrillResult:
    """Mark an answer in the drill and schedule the next repetition of the question.

    If the question is answered again, only the first answer counts. Raises NotAnAnswer for an invalid answer. Raises
    ExamNotFound if the question was not offered to this person or can no longer be asked, or if the daily limit is
    reached. A question on somebody's open paper, for example, cannot be asked.
    """
    require(by, "use_drill")
    now = now or timezone.now()
    with transaction.atomic():
        offer, drilled = _offered(by, question, review, now)
        shown_question = offered_question(by, drilled, review)
        if not is_answer(drilled.kind, given):
            raise NotAnAnswer
        credit = credit_of(drilled.kind, shown_question.right, given, drilled.stem)
        DrillCard.objects.get_or_create(
            staff=by,
            question=drilled,
            defaults={"card": Card(card_id=drilled.pk).to_dict(), "due_at": now, "reviewed_at": now},
        )
        card = DrillCard.objects.select_for_update().get(staff=by, question=drilled)
        if offer.answered_at is None:
            offer.answered_at = now
            offer.save(update_fields=["answered_at"])
            _review(card, credit, now)
            count_asked([drilled.pk], [] if credit == FULL else [drilled.pk])
    left_today = max(0, settings.DRILL_A_DAY - selectors_drill.answered_today(by, now))
    return DrillResult(shown_question, credit, card.due_at, left_today)


def _offered(by: Staff, question: int, review: int, now: datetime) -> tuple[DrillOffer, Question]:
    """Lock and return the person's `DrillOffer` for this question, and the question itself.

    Raises ExamNotFound if there is no such offer, if the question can no longer be asked, or if the daily limit is
    reached.

    Because of the lock, concurrent answers are handled one after the other: only the first one counts, and the daily
    limit holds.
    """
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
    is_limit_reached = selectors_drill.answered_today(by, now) >= settings.DRILL_A_DAY
    askable = None if is_limit_reached else _askable(by, question, now)
    if askable is None:
        raise ExamNotFound
    return offer, askable


def _review(card: DrillCard, credit: int, now: datetime) -> None:
    """Compute the next repetition of a drill card from the credit of the answer, and store the card."""
    rating = Rating.Good if credit == FULL else Rating.Hard if credit >= FULL / 2 else Rating.Again
    # fsrs accepts only datetimes in UTC.
    reviewed, _log = scheduler.review_card(Card.from_dict(card.card), rating, now.astimezone(UTC))
    card.card, card.due_at, card.reviewed_at = reviewed.to_dict(), reviewed.due, now
    if credit < FULL:
        # A missed question returns tomorrow at the latest, even if the person knew it well before.
        card.due_at = min(card.due_at, now + timedelta(days=1))
        card.misses += 1
    card.reviews += 1
    card.save(update_fields=["card", "due_at", "reviewed_at", "reviews", "misses"])
