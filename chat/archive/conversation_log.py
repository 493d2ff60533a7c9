"""Reads the complete record of one conversation: its messages, notes, assignments and form answers."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from accounts.models import Department
from chat.models import Assignment, Conversation, FormField, Message, Note
from chat.protocol import MessageData, serializers

PAGE = 500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the record: a message or a note, with its time."""

    at: datetime
    message: MessageData | None = None
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """One page of the record of a conversation.

    `entries` are in display order: a note follows the last message that was sent before the note was written. `answers`
    are pairs of label and answer from the pre-chat form. `after` is the parameter that requests the next page, or None
    on the last page.
    """

    conversation: Conversation
    entries: list[LogEntry]
    assignments: list[Assignment]
    answers: list[tuple[str, str]]
    after: int | None


def record_of(conversation: Conversation, after: int = 0) -> ConversationRecord:
    """Return the page of the record that begins after the message with seq `after`. Five queries."""
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
    # Notes between the last message of one page and the first message of the next belong to the earlier page.
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
    """Return (label, answer) pairs of the pre-chat form. Two queries.

    If a form field was deleted later, its key takes the place of the label.
    """
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
