"""Functions that read data for the inbox. Each docstring gives the number of database queries."""

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

MAX_WAITING_SHOWN = 100
MAX_EARLIER_SHOWN = 20


@dataclass(frozen=True)
class ConversationLists:
    """The conversation lists of the inbox.

    `rows` has the person's own conversations, the offers to them, the first ones in the queue, and for a supervisor
    also the team's conversations. `waiting_count` is the length of the whole queue.
    """

    rows: list[Row]
    waiting_count: int


@dataclass(frozen=True)
class TodayFigures:
    """An agent's statistics since midnight.

    `handle_seconds` is the mean time from assignment to end, or None if no conversation has ended.
    """

    contacts: int
    handle_seconds: int | None

    @property
    def handle_words(self) -> str:
        """The mean handle time in minutes and seconds, such as `4:05`."""
        minutes, seconds = divmod(self.handle_seconds or 0, 60)
        return f"{minutes}:{seconds:02}"


@dataclass(frozen=True)
class Colleague:
    """A colleague who is online. `open_now` is the number of the colleague's active conversations."""

    staff: Staff
    open_now: int


def lists_for(staff: Staff) -> ConversationLists:
    """Return the conversation lists of a staff member's inbox.

    Two queries, and a third when more conversations wait than the list shows.
    """
    in_hand = Q(agent=staff) & Q(status__in=(Status.ACTIVE, Status.WRAP_UP)) | Q(offered_to=staff)
    if may(staff, "see_all_conversations"):
        in_hand |= Q(status=Status.ACTIVE)
    waiting = queue_of(staff)
    rows = serializers.rows_in(Conversation.objects.filter(in_hand).order_by("assigned_at", "id"))
    queue = [
        serializers.row_of(values) for values in waiting.values(*serializers.ROW_FIELDS)[:MAX_WAITING_SHOWN]
    ]
    count = len(queue) if len(queue) < MAX_WAITING_SHOWN else waiting.count()
    offers = {row.id for row in rows if row.offered_to == staff.pk}
    return ConversationLists(rows + [row for row in queue if row.id not in offers], count)


def presence_of(staff: Staff) -> PresenceStatus:
    """Return the current presence of a staff member. One query."""
    return presence.current(Presence.objects.filter(staff=staff).first())


def today_of(staff: Staff) -> TodayFigures:
    """Return the agent's statistics since midnight. One query."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    handled = ExpressionWrapper(F("ended_at") - F("assigned_at"), output_field=DurationField())
    # A conversation that was assigned today may have started yesterday. The lower bound on `started_at` lets the query
    # use the index on that column.
    mine = Conversation.objects.filter(
        agent=staff, assigned_at__gte=midnight, started_at__gte=midnight - timedelta(days=1)
    )
    figures = mine.aggregate(contacts=Count("pk"), handle=Avg(handled))
    handle = figures["handle"]
    return TodayFigures(figures["contacts"], None if handle is None else round(handle.total_seconds()))


def notes_of(conversation: Conversation) -> list[NoteFrame]:
    """Return the notes of a conversation, oldest first. One query."""
    notes = Note.objects.filter(conversation=conversation).select_related("author").order_by("id")
    return [serializers.note_of(note, conversation) for note in notes]


def earlier_of(staff: Staff, conversation: Conversation) -> list[Conversation]:
    """Return at most MAX_EARLIER_SHOWN other conversations of the same visitor that the staff member may read. One
    query.

    The newest conversation comes first.
    """
    return list(
        access.visible_to(staff)
        .filter(visitor=conversation.visitor_id)
        .exclude(pk=conversation.pk)
        .select_related("agent", "wrap_up_code", "rating", "department")
        .order_by("-id")[:MAX_EARLIER_SHOWN]
    )


def answers_of(conversation: Conversation) -> list[tuple[str, str]]:
    """Return (label, answer) pairs of the pre-chat form. At most one query.

    The name and the department are left out, because the page shows them elsewhere.
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
    """Return the colleagues to whom the conversation may be transferred. Two queries.

    Colleagues of the conversation's department come first.
    """
    online = presence.online_ids() - {conversation.agent_id or 0}
    if not may(staff, "assign_to_others"):
        online -= {staff.pk}
    in_department = Count("departments", filter=Q(departments=conversation.department_id), distinct=True)
    open_now = Count("conversations", filter=Q(conversations__status=Status.ACTIVE), distinct=True)
    colleagues = Staff.objects.filter(pk__in=online, role__in=("agent", "supervisor"))
    colleagues = colleagues.annotate(open_now=open_now, here=in_department).order_by(
        "-here", "open_now", "number"
    )
    return [Colleague(staff, staff.open_now) for staff in colleagues]


def wrap_up_codes_for(conversation: Conversation) -> QuerySet[WrapUpCode]:
    """Return the active wrap-up codes of this conversation's department, and those for all departments.

    One query when evaluated.
    """
    codes = WrapUpCode.objects.filter(is_active=True)
    return codes.filter(Q(department=None) | Q(department=conversation.department_id))
