"""What is on record about one conversation, put together for reading."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from accounts.models import Department
from chat.models import Assignment, Conversation, FormField, Message, Note
from chat.protocol import MessageData, serializers

PAGE = 500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A message with when it was said, or a note."""

    at: datetime
    message: MessageData | None = None
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """`entries` in the order of the screens, a note where it was written; `after` asks for the next page."""

    conversation: Conversation
    entries: list[LogEntry]
    assignments: list[Assignment]
    answers: list[tuple[str, str]]
    after: int | None


def record_of(conversation: Conversation, after: int = 0) -> ConversationRecord:
    """The messages with seq > `after`, a page of them, and what belongs to them. Five queries."""
    stored = list(
        Message.objects.filter(conversation=conversation, seq__gt=after)
        .order_by("seq")
        .values(*serializers.MESSAGE_FIELDS)[: PAGE + 1]
    )
    shown, has_more = stored[:PAGE], len(stored) > PAGE
    last = shown[-1]["seq"] if has_more else None
    notes = (
        conversation.notes.select_related("author").filter(after_seq__gte=after).order_by("after_seq", "id")
    )
    # A note at the seam of two pages belongs to the first of them.
    if after:
        notes = notes.exclude(after_seq=after)
    if last is not None:
        notes = notes.filter(after_seq__lte=last)
    entries = [LogEntry(values["at"], message=serializers.message_of(values)) for values in shown] + [
        LogEntry(note.at, note=note) for note in notes
    ]
    entries.sort(key=_place)
    assignments = conversation.assignments.select_related(
        "agent", "department", "by", "next_in_line"
    ).order_by("id")
    return ConversationRecord(conversation, entries, list(assignments), _answers(conversation), last)


def _place(entry: LogEntry) -> tuple[int, int]:
    if entry.message is not None:
        return entry.message.seq, 0
    assert entry.note is not None
    return entry.note.after_seq, entry.note.pk


def _answers(conversation: Conversation) -> list[tuple[str, str]]:
    """The form's answers beside their labels; one whose question is gone beside its key. Two queries."""
    fields = {field.key: field for field in conversation.site.form_fields.all()}
    departments = {department.code: str(department) for department in Department.objects.all()}
    answers: list[tuple[str, str]] = []
    for key, answer in conversation.form.items():
        if not answer:
            continue
        field = fields.get(key)
        if field is None:
            answers.append((key, str(answer)))
            continue
        is_department = field.kind == FormField.Kind.DEPARTMENT
        words = departments.get(answer, str(answer)) if is_department else str(answer)
        answers.append((field.label_in(get_language()), words))
    return answers
