"""Records the use of points: counters, agents' feedback, suggested phrasings and unanswered questions."""

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

# A longer text is a story, not a question. It does not become a phrasing, and an unanswered question is cut to this
# length.
QUESTION_CHARACTERS = 200
# Shorter texts are greetings, a yes or a no (好的, ok), which do not become phrasings.
MIN_CHARACTERS = 4
# When an agent sends a point, the visitor's questions in this many messages before it count as answered.
ANSWERED_WITHIN = 8


def version_of(source: str) -> Version | None:
    """Return the version that a message source names, whatever its state now; None if the source names no version."""
    named = message_sources.point_version_in(source)
    return Version.objects.filter(point=named[0], number=named[1]).first() if named else None


def require_current(source: str) -> Version | None:
    """Return the published version that a message source names; None if it names a branch or nothing.

    Raises OutOfDate if the version or the edition of the branch is no longer current, so that no customer receives an
    old answer.
    """
    branch = message_sources.branch_edition_in(source)
    if branch and not Branch.objects.filter(pk=branch[0], edition=branch[1], is_active=True).exists():
        raise OutOfDate
    named = message_sources.point_version_in(source)
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
    """Record that message `seq` was made from this version. Recording it twice is harmless.

    The `question` that the message answered becomes a suggested phrasing, with personal data masked, which an editor
    accepts or declines. A question that is very short or long does not become a phrasing.
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
    """Remove from the open unanswered questions the examples that message `answer` has answered.

    An unanswered question without examples is deleted.
    """
    answered = UnansweredQuestionExample.objects.filter(
        conversation=conversation,
        seq__gte=answer - ANSWERED_WITHIN,
        seq__lt=answer,
        gap__state=UnansweredQuestion.State.OPEN,
    )
    for question in UnansweredQuestion.objects.select_for_update().filter(
        pk__in=answered.order_by().values("gap")
    ):
        removed, _by_model = answered.filter(gap=question).delete()
        if question.count > removed:
            UnansweredQuestion.objects.filter(pk=question.pk).update(count=F("count") - removed)
        else:
            question.delete()


def record_agent_feedback(
    *, version: Version, is_helpful: bool, conversation: Conversation, by: Staff
) -> None:
    """Record an agent's feedback on whether the point helped in this conversation.

    Later feedback replaces earlier feedback; repeating it changes nothing. For a visitor's feedback see
    `knowledge.actions.visitor_suggestions.record_feedback`.
    """
    with transaction.atomic():
        # Serialise simultaneous presses: otherwise each would create a row.
        Point.objects.select_for_update().get(pk=version.point_id)
        use, _is_new = Use.objects.get_or_create(
            version=version, conversation=conversation, by=Use.By.AGENT, agent=by, seq=None
        )
        set_feedback(use, is_helpful)


def set_feedback(use: Use, is_helpful: bool) -> None:
    """Replace the feedback of this use and update the point's counters, in the caller's transaction."""
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
    """Record a visitor's message that no point answers. Recording it twice is harmless.

    If `like` is given, the message is added to the open unanswered question with this id.
    """
    text = clean_line(mask(message.body), QUESTION_CHARACTERS)
    if not text:
        return
    with transaction.atomic():
        open_questions = UnansweredQuestion.objects.select_for_update().filter(
            state=UnansweredQuestion.State.OPEN
        )
        question = open_questions.filter(pk=like).first() if like is not None else None
        if UnansweredQuestionExample.objects.filter(
            conversation=message.conversation_id, seq=message.seq
        ).exists():
            return
        if question is None:
            question = UnansweredQuestion.objects.create(text=text, language=language)
        UnansweredQuestionExample.objects.create(
            gap=question, conversation_id=message.conversation_id, seq=message.seq, text=text, at=message.at
        )
        UnansweredQuestion.objects.filter(pk=question.pk).update(count=F("count") + 1, last_at=timezone.now())


def settle_unanswered(*, by: Staff, gap: int, point: Point | None) -> None:
    """Settle the unanswered question `gap` as answered by `point`, or as dismissed if `point` is None. Repeating it is
    harmless."""
    require(by, "edit_points")
    state = UnansweredQuestion.State.ANSWERED if point else UnansweredQuestion.State.DISMISSED
    with transaction.atomic():
        question = access.lock_unanswered(by, gap)
        if (question.state, question.point_id) == (state, point.pk if point else None):
            return
        question.state, question.point = state, point
        question.save(update_fields=["state", "point"])
        audit.record(by, "gap.settled", question, state=state, point=point.pk if point else None)
