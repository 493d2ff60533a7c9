"""The record of one conversation for reading: its messages, notes, assignments and form answers."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from accounts.models import Department
from chat.models import Assignment, Conversation, FormField, Message, Note
from chat.protocol import MessageData, serializers

PAGE = 500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A message or a note, with its time."""

    at: datetime
    message: MessageData | None = None
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """A page of the record. `entries` are in the order in which screens show them, each note where it was written.

    `answers` are pairs of label and answer. `after` requests the next page; None on the last one.
    """

    conversation: Conversation
    entries: list[LogEntry]
    assignments: list[Assignment]
    answers: list[tuple[str, str]]
    after: int | None


def record_of(conversation: Conversation, after: int = 0) -> ConversationRecord:
    """Return a page of the messages with seq > `after`, and what belongs to them. Five queries."""
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
    # A note between the last message of a page and the first of the next belongs to the first page.
    if after:
        notes = notes.exclude(after_seq=after)
    if last is not None:
        notes = notes.filter(after_seq__lte=last)
    entries = [LogEntry(values["at"], message=serializers.message_of(values)) for values in shown] + [
        LogEntry(note.at, note=note) for note in notes
    ]
    entries.sort(key=_sort_key)
    assignments = conversation.assignments.select_related(
        "agent", "department", "by", "next_in_line"
    ).order_by("id")
    return ConversationRecord(conversation, entries, list(assignments), _answers(conversation), last)


def _sort_key(entry: LogEntry) -> tuple[int, int]:
    if entry.message is not None:
        return entry.message.seq, 0
    assert entry.note is not None
    return entry.note.after_seq, entry.note.pk


def _answers(conversation: Conversation) -> list[tuple[str, str]]:
    """Return the form's answers with their labels, or with their keys where the field was deleted. Two queries."""
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
        text = departments.get(answer, str(answer)) if is_department else str(answer)
        answers.append((field.label_in(get_language()), text))
    return answers
