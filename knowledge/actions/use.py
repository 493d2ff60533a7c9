"""What happens when points are used: it is counted, and learned from."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from chat.models import Conversation, Message
from core.text.cleaning import clean_line
from knowledge import access, message_sources
from knowledge.errors import OutOfDate
from knowledge.models import (
    Branch,
    Phrasing,
    Point,
    UnansweredQuestion,
    UnansweredQuestionExample,
    Use,
    Version,
)
from privacy.masking import mask

# What is learned from and what a gap keeps is a question, not a story.
QUESTION_CHARACTERS = 200
# Nor a greeting, a yes or a no: 好的, ok.
MIN_CHARACTERS = 4
# A point that an agent sends answers what the visitor asked in so many messages before it.
ANSWERED_WITHIN = 8


def version_of(source: str) -> Version | None:
    """The version, whatever has become of it, or None where the words were made from none."""
    named = message_sources.named_in(source)
    return Version.objects.filter(point=named[0], number=named[1]).first() if named else None


def require_current(source: str) -> Version | None:
    """The version that these words were made from, if it is what is said now; None where they name none, or a place.

    Raises OutOfDate: nobody is told what was true yesterday.
    """
    place = message_sources.place_in(source)
    if place and not Branch.objects.filter(pk=place[0], edition=place[1], is_active=True).exists():
        raise OutOfDate
    named = message_sources.named_in(source)
    if named is None:
        return None
    point, number = named
    version = Version.objects.filter(point=point, number=number, state=Version.State.PUBLISHED).first()
    if version is None or (version.valid_until and version.valid_until < timezone.localdate()):
        raise OutOfDate
    return version


def record_use(
    *, by: Staff, version: Version, conversation: Conversation, seq: int, question: str, is_edited: bool
) -> None:
    """An answer made from this version was accepted as message `seq`. Noting it twice is harmless.

    The question that it answered becomes a suggested phrasing: an editor says whether it is one.
    """
    with transaction.atomic():
        _use, is_new = Use.objects.get_or_create(
            conversation=conversation,
            seq=seq,
            by=Use.By.AGENT,
            defaults={"version": version, "agent": by, "is_edited": is_edited},
        )
        if not is_new:
            return
        Point.objects.filter(pk=version.point_id).update(uses=F("uses") + 1)
        _close_questions(conversation, seq)
        text = clean_line(mask(question), 1000)
        if not MIN_CHARACTERS <= len(text) <= QUESTION_CHARACTERS or text == version.title:
            return
        phrasing, is_new = Phrasing.objects.get_or_create(
            point_id=version.point_id, text=text, defaults={"state": Phrasing.State.SUGGESTED}
        )
        if not is_new:
            Phrasing.objects.filter(pk=phrasing.pk).update(count=F("count") + 1)


def _close_questions(conversation: Conversation, answer: int) -> None:
    """What was asked lately and is answered now is no gap; an open gap that nobody has asked any more goes."""
    answered = UnansweredQuestionExample.objects.filter(
        conversation=conversation,
        seq__gte=answer - ANSWERED_WITHIN,
        seq__lt=answer,
        gap__state=UnansweredQuestion.State.OPEN,
    )
    for gap in UnansweredQuestion.objects.select_for_update().filter(
        pk__in=answered.order_by().values("gap")
    ):
        gone, _of_each = answered.filter(gap=gap).delete()
        if gap.count > gone:
            UnansweredQuestion.objects.filter(pk=gap.pk).update(count=F("count") - gone)
        else:
            gap.delete()


def judge(*, version: Version, is_helpful: bool, conversation: Conversation, by: Staff) -> None:
    """An agent's word on whether the point helped in this conversation. The last one counts; the same again changes
    nothing. A visitor's is `knowledge.actions.visitor_suggestions.record_feedback`."""
    with transaction.atomic():
        # Whoever presses twice at once gets in line here.
        Point.objects.select_for_update().get(pk=version.point_id)
        said, _is_new = Use.objects.get_or_create(
            version=version, conversation=conversation, by=Use.By.AGENT, agent=by, seq=None
        )
        count_word(said, is_helpful)


def count_word(use: Use, is_helpful: bool) -> None:
    """Puts this word in place of the one before, and counts it, in the caller's transaction."""
    before, use.is_helpful = use.is_helpful, is_helpful
    if before == is_helpful:
        return
    use.save(update_fields=["is_helpful"])
    counters = {True: "helped", False: "missed"}
    changed = {counters[is_helpful]: F(counters[is_helpful]) + 1}
    if before is not None:
        changed[counters[before]] = F(counters[before]) - 1
    Point.objects.filter(versions=use.version_id).update(**changed)


def record_unanswered(*, message: Message, language: str, like: int | None) -> None:
    """No point answers what this visitor asked. `like`: the open gap of those who asked alike, if there is one.

    Noting a message twice is harmless.
    """
    text = clean_line(mask(message.body), QUESTION_CHARACTERS)
    if not text:
        return
    with transaction.atomic():
        open_gaps = UnansweredQuestion.objects.select_for_update().filter(state=UnansweredQuestion.State.OPEN)
        gap = open_gaps.filter(pk=like).first() if like is not None else None
        if UnansweredQuestionExample.objects.filter(
            conversation=message.conversation_id, seq=message.seq
        ).exists():
            return
        if gap is None:
            gap = UnansweredQuestion.objects.create(text=text, language=language)
        UnansweredQuestionExample.objects.create(
            gap=gap, conversation_id=message.conversation_id, seq=message.seq, text=text, at=message.at
        )
        UnansweredQuestion.objects.filter(pk=gap.pk).update(count=F("count") + 1, last_at=timezone.now())


def settle_unanswered(*, by: Staff, gap: int, point: Point | None) -> None:
    """An editor has answered it with a point, or says that it needs none. Saying it twice is harmless."""
    require(by, "edit_points")
    state = UnansweredQuestion.State.ANSWERED if point else UnansweredQuestion.State.DISMISSED
    with transaction.atomic():
        found = access.lock_unanswered(by, gap)
        if (found.state, found.point_id) == (state, point.pk if point else None):
            return
        found.state, found.point = state, point
        found.save(update_fields=["state", "point"])
        audit.record(by, "gap.settled", found, state=state, point=point.pk if point else None)
