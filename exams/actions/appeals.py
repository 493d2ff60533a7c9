"""Appeals: an examinee says that a question was marked wrongly, somebody else decides, and the marks follow."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Staff
from chat.errors import EmptyText, TextTooLong
from core.text.cleaning import clean_text
from exams import access, selectors
from exams.actions.marks import remark_papers
from exams.errors import AppealDecided, AppealTooLate, ExamNotFound, OwnAppeal, SatSameExam
from exams.models import Appeal
from exams.rules.marking import FULL

WITHIN = timedelta(days=14)
MAX_CHARACTERS = 1000


def make_appeal(*, by: Staff, paper: int, place: int, reason: str, now: datetime | None = None) -> Appeal:
    """One for a question that did not get full marks; making it again gives the first.

    Raises EmptyText, TextTooLong, AppealTooLate, ExamNotFound.
    """
    now = now or timezone.now()
    words = _bounded(reason, "reason")
    if not words:
        raise EmptyText
    with transaction.atomic():
        locked = access.lock_paper(by, paper)
        item = locked.items.filter(place=place, credit__lt=FULL).first()
        if locked.submitted_at is None or item is None:
            raise ExamNotFound
        if now > locked.submitted_at + WITHIN:
            raise AppealTooLate
        appeal, is_new = Appeal.objects.get_or_create(item=item, defaults={"reason": words, "made_at": now})
        if is_new:
            audit.record(by, "appeal.made", appeal, paper=locked.pk, place=place)
    return appeal


def _bounded(text: str, field: str) -> str:
    # A browser counts a line break as one character and sends two.
    text = clean_text(text).replace("\r\n", "\n")
    if len(text) > MAX_CHARACTERS:
        raise TextTooLong(field, MAX_CHARACTERS)
    return text


def decide_appeal(
    *, by: Staff, appeal: int, is_accepted: bool, remedy: str = Appeal.Remedy.SAME, words: str = ""
) -> Appeal:
    """Accepted: the question is marked anew on every paper of the exam on which it stands.

    An editor has to look at it before it is drawn again. The same decision again is harmless.

    Raises OwnAppeal for the examinee's own, SatSameExam for one who has sat the exam or had the question, AppealDecided
    when another decision stands, TextTooLong, ExamNotFound.
    """
    state = Appeal.State.ACCEPTED if is_accepted else Appeal.State.REJECTED
    said = _bounded(words, "words")
    with transaction.atomic():
        found = access.lock_appeal(by, appeal)
        if found.item.paper.staff_id == by.pk:
            raise OwnAppeal
        if selectors.has_sat(by, exam=found.item.paper.exam_id, question=found.item.question_id):
            # An accepted appeal lifts the marks of others: the judge must not be one of them.
            raise SatSameExam
        if found.state != Appeal.State.OPEN:
            if found.state == state:
                return found
            raise AppealDecided
        found.state, found.decided_by, found.decided_at = state, by, timezone.now()
        found.words = said
        found.remedy = Appeal.Remedy(remedy) if is_accepted else ""
        found.save(update_fields=["state", "decided_by", "decided_at", "words", "remedy"])
        papers = remark_papers(found, by) if is_accepted else 0
        audit.record(by, "appeal.decided", found, accepted=is_accepted, papers=papers)
    return found
