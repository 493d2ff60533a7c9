"""Actions on appeals: an examinee disputes how an answer was marked, and an editor accepts or rejects the appeal."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Staff
from chat.errors import EmptyText, TextTooLong
from core.text.cleaning import clean_text
from exams import access, selectors
from exams.actions.marks import remark_papers
from exams.errors import AppealDecided, AppealTooLate, ExamNotFound, JudgeSatExam, OwnAppeal
from exams.models import Appeal
from exams.rules.marking import FULL

APPEAL_PERIOD = timedelta(days=14)
MAX_CHARACTERS = 1000


def make_appeal(*, by: Staff, paper: int, place: int, reason: str, now: datetime | None = None) -> Appeal:
    """Store and return an appeal about the question with number `place` on a paper. A repeat returns the first appeal.

    Raises ExamNotFound if the paper is not marked yet or the answer got full marks. Also raises EmptyText, TextTooLong
    or AppealTooLate.
    """
    now = now or timezone.now()
    cleaned_reason = _bounded(reason, "reason")
    if not cleaned_reason:
        raise EmptyText
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        item = locked.items.filter(place=place, credit__lt=FULL).first()
        if locked.submitted_at is None or item is None:
            raise ExamNotFound
        if now > locked.submitted_at + APPEAL_PERIOD:
            raise AppealTooLate
        appeal, is_new = Appeal.objects.get_or_create(
            item=item, defaults={"reason": cleaned_reason, "made_at": now}
        )
        if is_new:
            audit.record(by, "appeal.made", appeal, paper=locked.pk, place=place)
    return appeal


def _bounded(text: str, field: str) -> str:
    """Return the cleaned text of a form field. Raises TextTooLong with the name of the field."""
    # A browser counts a line break as one character, but sends two.
    text = clean_text(text).replace("\r\n", "\n")
    if len(text) > MAX_CHARACTERS:
        raise TextTooLong(field, MAX_CHARACTERS)
    return text


def decide_appeal(
    *, by: Staff, appeal: int, is_accepted: bool, remedy: str = Appeal.Remedy.SAME, words: str = ""
) -> Appeal:
    """Accept or reject an appeal. Repeating the same decision is harmless.

    If the appeal is accepted, the question gets full marks on those papers of the exam that `remedy` covers. An editor
    must accept the question again before new papers can contain it.

    Raises OwnAppeal if `by` made the appeal, and JudgeSatExam if `by` has sat the exam or answered the question on any
    paper. Raises AppealDecided if a different decision was made before. Also raises TextTooLong, ExamNotFound or
    PermissionDenied.
    """
    state = Appeal.State.ACCEPTED if is_accepted else Appeal.State.REJECTED
    answer = _bounded(words, "words")
    with transaction.atomic():
        locked = access.lock_appeal(by, appeal)
        if locked.item.paper.staff_id == by.pk:
            raise OwnAppeal
        if selectors.has_sat(by, exam=locked.item.paper.exam_id, question=locked.item.question_id):
            # An accepted appeal raises the marks of several examinees, so the person who decides must not be one of
            # them.
            raise JudgeSatExam
        if locked.state != Appeal.State.OPEN:
            if locked.state == state:
                return locked
            raise AppealDecided
        locked.state, locked.decided_by, locked.decided_at = state, by, timezone.now()
        locked.words = answer
        locked.remedy = Appeal.Remedy(remedy) if is_accepted else ""
        locked.save(update_fields=["state", "decided_by", "decided_at", "words", "remedy"])
        papers = remark_papers(locked, by) if is_accepted else 0
        audit.record(by, "appeal.decided", locked, accepted=is_accepted, papers=papers)
    return locked
