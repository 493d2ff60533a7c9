"""Reads behind the console's panels. Each says how many queries it makes."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import get_language

from accounts import presence
from accounts.access import may
from accounts.models import Presence, PresenceStatus, Staff
from chat import access
from chat.models import Conversation, FormField, Note, Status, WrapUpCode
from chat.protocol import NoteFrame, Row, serializers
from chat.selectors import queue_of

WAITING_SHOWN = 100
EARLIER_SHOWN = 20


@dataclass(frozen=True)
class Lists:
    """`rows`: my conversations, the first of the line, for a supervisor the team's; `waiting_count` is of all."""

    rows: list[Row]
    waiting_count: int


@dataclass(frozen=True)
class Today:
    """`handle_seconds` is the mean from assignment to end, None before the first end."""

    contacts: int
    handle_seconds: int | None

    @property
    def handle_words(self) -> str:
        """Minutes and seconds, e.g. `4:05`."""
        minutes, seconds = divmod(self.handle_seconds or 0, 60)
        return f"{minutes}:{seconds:02}"


@dataclass(frozen=True)
class Colleague:
    """`open_now`: how many conversations they have."""

    staff: Staff
    open_now: int


def lists_for(staff: Staff) -> Lists:
    """Two queries; a third when more wait than are shown."""
    in_hand = Q(agent=staff) & Q(status__in=(Status.ACTIVE, Status.WRAP_UP))
    if may(staff, "see_all_conversations"):
        in_hand |= Q(status=Status.ACTIVE)
    waiting = queue_of(staff)
    found = serializers.rows_in(Conversation.objects.filter(in_hand).order_by("assigned_at", "id"))
    line = [serializers.row_of(values) for values in waiting.values(*serializers.ROW_FIELDS)[:WAITING_SHOWN]]
    count = len(line) if len(line) < WAITING_SHOWN else waiting.count()
    return Lists(found + line, count)


def presence_of(staff: Staff) -> PresenceStatus:
    """One query."""
    return presence.current(Presence.objects.filter(staff=staff).first())


def today_of(staff: Staff) -> Today:
    """What this agent has had since midnight. One query."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    handled = ExpressionWrapper(F("ended_at") - F("assigned_at"), output_field=DurationField())
    # A conversation may have begun the day before; the bound keeps the index on the time of beginning useful.
    mine = Conversation.objects.filter(
        agent=staff, assigned_at__gte=midnight, started_at__gte=midnight - timedelta(days=1)
    )
    figures = mine.aggregate(contacts=Count("pk"), handle=Avg(handled))
    handle = figures["handle"]
    return Today(figures["contacts"], None if handle is None else round(handle.total_seconds()))


def notes_of(conversation: Conversation) -> list[NoteFrame]:
    """One query."""
    notes = Note.objects.filter(conversation=conversation).select_related("author").order_by("id")
    return [serializers.note_of(note, conversation) for note in notes]


def earlier_of(staff: Staff, conversation: Conversation) -> list[Conversation]:
    """The visitor's other conversations that this member of staff may read, newest first. One query."""
    return list(
        access.visible_to(staff)
        .filter(visitor=conversation.visitor_id)
        .exclude(pk=conversation.pk)
        .select_related("agent", "wrap_up_code", "rating", "department")
        .order_by("-id")[:EARLIER_SHOWN]
    )


def answers_of(conversation: Conversation) -> list[tuple[str, str]]:
    """What the form before the chat asked, and the answers, but for name and department, which stand elsewhere.

    One query at most.
    """
    if not any(conversation.form.values()):
        return []
    fields = FormField.objects.filter(
        site=conversation.site_id, key__in=conversation.form, kind=FormField.Kind.TEXT
    )
    return [
        (field.label_in(get_language()), answer)
        for field in fields
        if (answer := conversation.form[field.key])
    ]


def colleagues_online(staff: Staff, conversation: Conversation) -> list[Colleague]:
    """Who may be given the conversation now, of its department first. Two queries."""
    online = presence.online_ids() - {conversation.agent_id or 0}
    if not may(staff, "assign_to_others"):
        online -= {staff.pk}
    here = Count("departments", filter=Q(departments=conversation.department_id), distinct=True)
    open_now = Count("conversations", filter=Q(conversations__status=Status.ACTIVE), distinct=True)
    found = Staff.objects.filter(pk__in=online, role__in=("agent", "supervisor"))
    found = found.annotate(open_now=open_now, here=here).order_by("-here", "open_now", "number")
    return [Colleague(staff, staff.open_now) for staff in found]


def wrap_up_codes_for(conversation: Conversation) -> QuerySet[WrapUpCode]:
    """The codes of the conversation's department and those for every department."""
    codes = WrapUpCode.objects.filter(is_active=True)
    return codes.filter(Q(department=None) | Q(department=conversation.department_id))
